//go:build !race

package streams_test

// withRace says whether the race detector is on.
const withRace = false
