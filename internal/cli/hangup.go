package cli

import (
	"os"
	"os/signal"
	"syscall"
)

// onHangup makes SIGHUP call f in place of ending the process, until stop is called. It must
// not be called again before that.
func onHangup(f func()) (stop func()) {
	// Main has asked for SIGHUP too. Ignore undoes that, and leaves no moment at which the signal
	// would end the process.
	signal.Ignore(syscall.SIGHUP)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
