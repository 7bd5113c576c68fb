package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// looksLikeFactor reports whether a number is written with a point and is above 0 and up to 3.
// A model that writes 2.0 means "twice as much".
func looksLikeFactor(value any) bool {
	text, ok := numberText(value)
	if !ok || !strings.Contains(text, ".") {
		return false
	}
	const maxFactor = 3
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && v > 0 && v <= maxFactor
}

// rangeText returns the allowed range of a number and what its values mean, as the end of a
// phrase such as " from 1 to 20", or "" if every number is allowed.
func (n *node) rangeText() string {
	if n.scale != "" {
		return n.bounds() + " (" + n.scale + ")"
	}
	return n.bounds()
}

// bounds returns the allowed range of a number as the end of a phrase.
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

// inRange reports whether number is within the node's minimum and maximum. It compares
// as float64, which is exact enough for the small bounds that our schemas have.
func (n *node) inRange(number json.Number) bool {
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

// jsonNumber matches a number as JSON writes it. Its groups are the sign, the digits
// before the point, the digits after the point, and the exponent.
var jsonNumber = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)
})

// numberText returns the text of a number, and false if value can't be one. It takes
// strings too, since models write some numbers as strings.
func numberText(value any) (string, bool) {
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

// parseNumber returns value as a number, and false if it is none or too large for a
// float64.
func parseNumber(value any) (json.Number, bool) {
	text, ok := numberText(value)
	if !ok || !jsonNumber().MatchString(text) {
		return "", false
	}
	f, err := strconv.ParseFloat(text, 64)
	return json.Number(text), err == nil && !math.IsInf(f, 0)
}

// parseInteger returns value as an integer in plain digits, and false if it is not a whole
// number or does not fit an int64. 2, 2.0, 20e-1 and "2" are all the integer 2.
//
// It works on the digits, because a float64 would round 2.00000000000000000001 to 2.
func parseInteger(value any) (json.Number, bool) {
	text, ok := numberText(value)
	if n, err := strconv.ParseInt(text, 10, 64); ok && err == nil && strconv.FormatInt(n, 10) == text {
		return json.Number(text), true // Most are written like this.
	}
	parts := jsonNumber().FindStringSubmatch(text)
	if !ok || parts == nil {
		return "", false
	}
	sign, fraction := parts[1], parts[3]
	digits := strings.TrimLeft(parts[2]+fraction, "0")
	if digits == "" {
		return "0", true
	}

	// For an exponent of more than 31 bits, ParseInt returns the largest or smallest one
	// that fits 31 bits, which is still out of range below. For no exponent it returns 0.
	written, _ := strconv.ParseInt(parts[4], 10, 31)
	// The number is significant × 10^exponent, and significant does not end in 0.
	significant := strings.TrimRight(digits, "0")
	exponent := int(written) - len(fraction) + len(digits) - len(significant)
	if exponent < 0 || exponent > 18 { // It is not a whole number, or has more digits than an int64.
		return "", false
	}
	n, err := strconv.ParseInt(sign+significant+strings.Repeat("0", exponent), 10, 64)
	return json.Number(strconv.FormatInt(n, 10)), err == nil
}
