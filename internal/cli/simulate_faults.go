package cli

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// maxLag is the largest value of --lag: for longer the simulator does not remember a task
// that has ended.
const maxLag = time.Hour

// validateFaults refuses flags that do not say what is to go wrong.
func (c *simulateCommand) validateFaults() error {
	if c.Latency < 0 {
		return fmt.Errorf("--latency must be 0 or more, got %v", c.Latency)
	}
	if !(c.Drop >= 0 && c.Drop <= 1) { // Written so that it refuses NaN.
		return fmt.Errorf("--drop must be from 0 to 1, got %v", c.Drop)
	}
	if c.Lag < 0 || c.Lag > maxLag {
		return fmt.Errorf("--lag must be from 0 to %v, got %v", maxLag, c.Lag)
	}
	_, err := c.failures()
	return err
}

// failures returns the codes of --fail by action.
func (c *simulateCommand) failures() (map[string]zego.Code, error) {
	codes := make(map[string]zego.Code)
	for _, failure := range c.Fail {
		action, number, _ := strings.Cut(failure, "=")
		if !slices.Contains(zegosim.Actions(), action) {
			return nil, fmt.Errorf("--fail must be ACTION=CODE, but there is no action %q (known: %s)", action, strings.Join(zegosim.Actions(), ", "))
		}
		code, err := strconv.Atoi(number)
		if err != nil || code <= 0 {
			return nil, fmt.Errorf("--fail %s: the code must be a number above 0, got %q", action, number)
		}
		if _, twice := codes[action]; twice {
			return nil, fmt.Errorf("--fail names %s twice", action)
		}
		codes[action] = zego.Code(code)
	}
	return codes, nil
}

// fault returns what the simulator asks about each call, or nil if nothing goes wrong.
func (c *simulateCommand) fault() func(action string, call int) *zegosim.Fault {
	codes, _ := c.failures() // Validate has checked them.
	if c.Latency == 0 && c.Drop == 0 && len(codes) == 0 {
		return nil
	}
	return func(action string, call int) *zegosim.Fault {
		dropped := math.Floor(float64(call)*c.Drop) > math.Floor(float64(call-1)*c.Drop)
		return &zegosim.Fault{Code: codes[action], Latency: c.Latency, Drop: dropped}
	}
}

// describeFaults says what goes wrong, or nothing if nothing does.
func (c *simulateCommand) describeFaults() string {
	var faults []string
	if c.Latency > 0 {
		faults = append(faults, fmt.Sprintf("every answer takes %v", c.Latency))
	}
	codes, _ := c.failures() // Validate has checked them.
	for _, action := range slices.Sorted(maps.Keys(codes)) {
		faults = append(faults, fmt.Sprintf("%s is refused with %d", action, codes[action]))
	}
	if c.Drop > 0 {
		faults = append(faults, fmt.Sprintf("a share of %v of the calls is carried out and gets no answer", c.Drop))
	}
	if c.Lag > 0 {
		faults = append(faults, fmt.Sprintf("the list of stream tasks is %v late", c.Lag))
	}
	return strings.Join(faults, "; ")
}
