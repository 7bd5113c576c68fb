//go:build !race

package tools_test

// withRace says whether the race detector is on.
const withRace = false
