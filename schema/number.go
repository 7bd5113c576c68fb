package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// bounds says the range of a number.
func (n *node) bounds() string {
	switch {
	case n.Minimum != "" && n.Maximum != "":
		return fmt.Sprintf(" from %s to %s", n.Minimum, n.Maximum)
	case n.Minimum != "":
		return fmt.Sprintf(" of at least %s", n.Minimum)
	case n.Maximum != "":
		return fmt.Sprintf(" of at most %s", n.Maximum)
	}
	return ""
}

// holds reports whether number is in range. Ranges are small enough for float64,
// and integers beyond it are out of every range.
func (n *node) holds(number json.Number) bool {
	v, err := number.Float64()
	if err != nil {
		return false
	}
	if low, err := n.Minimum.Float64(); err == nil && v < low {
		return false
	}
	if high, err := n.Maximum.Float64(); err == nil && v > high {
		return false
	}
	return true
}

// jsonNumber is how JSON writes a number: sign, digits, fraction, exponent.
var jsonNumber = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// spelling returns a number as it was written; models write some as strings.
func spelling(value any) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return value.String(), true
	case string:
		return strings.TrimSpace(value), true
	case float64, int, int64:
		text, err := json.Marshal(value)
		return string(text), err == nil
	}
	return "", false
}

// decimal returns value as a finite number.
func decimal(value any) (json.Number, bool) {
	text, ok := spelling(value)
	if !ok || !jsonNumber.MatchString(text) {
		return "", false
	}
	f, err := strconv.ParseFloat(text, 64)
	return json.Number(text), err == nil && !math.IsInf(f, 0)
}

// integer returns the digits of value if it is a whole number, however spelt, that
// fits an int64.
func integer(value any) (json.Number, bool) {
	text, ok := spelling(value)
	parts := jsonNumber.FindStringSubmatch(text)
	if !ok || parts == nil {
		return "", false
	}
	sign, digits := parts[1], parts[2]+parts[3]
	// No exponent is 0. Of one beyond 31 bits, ParseInt returns the limit of these: no
	// number with such an exponent is an int64, but for 0.
	exp, _ := strconv.ParseInt(parts[4], 10, 31)
	exponent := int(exp)
	exponent -= len(parts[3])
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return "0", true
	}
	significant := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(significant)
	if exponent < 0 || len(significant)+exponent > 19 {
		return "", false
	}
	n, err := strconv.ParseInt(sign+significant+strings.Repeat("0", exponent), 10, 64)
	return json.Number(strconv.FormatInt(n, 10)), err == nil
}
