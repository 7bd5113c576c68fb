package zego

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache keeps answers for a short time, so that processes can share them. Implement it
// over a store that they all reach, and set it in [Options]. Its methods are called
// concurrently. They must not make a call fail: Get reports an answer that it cannot read
// as absent, and Set drops an answer that it cannot store.
type Cache interface {
	// Get returns the answer that Set stored under key, and whether there is one.
	Get(ctx context.Context, key string) ([]byte, bool)
	// Set stores an answer under key for ttl.
	Set(ctx context.Context, key string, answer []byte, ttl time.Duration)
}

// maxCachedAnswers bounds the answers in a memoryCache. A page of a list takes about
// 10 kB.
const maxCachedAnswers = 500

// memoryCache keeps the answers of one client in memory. Unlike a Cache it keeps them
// decoded. It is safe for concurrent use. An answer that has expired stays in memory until
// it is replaced or maxCachedAnswers newer ones have come: that needs no goroutine to
// remove it.
type memoryCache struct {
	answers *lru.Cache[string, cachedAnswer]
}

type cachedAnswer struct {
	answer
	expiresAt time.Time
}

func newMemoryCache() (memoryCache, error) {
	answers, err := lru.New[string, cachedAnswer](maxCachedAnswers)
	return memoryCache{answers}, err
}

func (m memoryCache) get(key string) (answer, bool) {
	cached, ok := m.answers.Get(key)
	return cached.answer, ok && time.Now().Before(cached.expiresAt)
}

func (m memoryCache) set(key string, a answer, ttl time.Duration) {
	m.answers.Add(key, cachedAnswer{a, time.Now().Add(ttl)})
}
