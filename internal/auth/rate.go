package auth

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxSubjects is how many subjects' requests are counted at once. The one that has rested for
// the longest time is forgotten for another.
const maxSubjects = 10000

// rates counts the requests of each subject over the last minute.
type rates struct {
	mu       sync.Mutex // guards what follows
	subjects *simplelru.LRU[string, *rate]
}

// rate counts requests in the running minute and the one before it. The requests of the earlier
// minute count less the longer it is over, as if they had come evenly.
type rate struct {
	minute          time.Time // When the running minute began.
	earlier, lately int
}

func newRates() *rates {
	subjects, _ := simplelru.NewLRU[string, *rate](maxSubjects, nil) // It fails only for a size below 1.
	return &rates{subjects: subjects}
}

// admit counts a request of subject if there were fewer than limit in the minute before now.
// Otherwise it returns how long to wait.
func (r *rates) admit(subject string, limit int, now time.Time) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts, known := r.subjects.Get(subject)
	if !known {
		counts = &rate{minute: now}
		r.subjects.Add(subject, counts)
	}
	switch passed := now.Sub(counts.minute); {
	case passed >= 2*time.Minute:
		*counts = rate{minute: now}
	case passed >= time.Minute:
		*counts = rate{minute: counts.minute.Add(time.Minute), earlier: counts.lately}
	}
	passed := now.Sub(counts.minute)
	left := float64(counts.earlier) * float64(time.Minute-passed) / float64(time.Minute)
	if left+float64(counts.lately)+1 <= float64(limit) {
		counts.lately++
		return 0, true
	}
	if counts.lately >= limit || counts.earlier == 0 {
		return time.Minute - passed, false
	}
	// So many requests of the earlier minute must no longer count.
	excess := left + float64(counts.lately) + 1 - float64(limit)
	return min(time.Minute-passed, time.Duration(excess/float64(counts.earlier)*float64(time.Minute))), false
}
