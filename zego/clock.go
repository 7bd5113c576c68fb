package zego

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock is this machine's clock, corrected to ZEGO's as far as their difference is known.
// ZEGO refuses signatures whose time is more than 10 minutes off.
type clock struct {
	local func() time.Time
	ahead atomic.Int64 // How far ZEGO's clock is ahead of local, in nanoseconds.
}

// now returns the time by ZEGO's clock.
func (c *clock) now() time.Time { return c.local().Add(c.offset()) }

// offset returns how far ZEGO's clock is ahead of this machine's: 0 until adjustTo has
// been called.
func (c *clock) offset() time.Duration { return time.Duration(c.ahead.Load()) }

// maxClockError is how far the corrected clock may be from the Date of an answer, which is
// told in whole seconds and was written some time ago.
const maxClockError = 2 * time.Second

// adjustTo sets the clock to the Date header of an answer that has just come, if it differs
// by more than maxClockError. It ignores a header that is not a date.
func (c *clock) adjustTo(date string) {
	server, err := http.ParseTime(date)
	if err == nil && server.Sub(c.now()).Abs() > maxClockError {
		c.ahead.Store(int64(server.Sub(c.local())))
	}
}
