//go:build race

package configfile_test

// withRace says whether the race detector is on.
const withRace = true
