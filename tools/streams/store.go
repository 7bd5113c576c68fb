package streams

import (
	"context"
	"time"
)

// Store is a list of stream tasks that several ledgers share. Each of the ledgers is in a
// process of its own, which is called a replica.
//
// Each record in the Store belongs to one replica, its owner. A replica counts as alive
// until its lease ends: for Lease after its last Renew. When the owner of a record is not
// alive, another replica may take the record over.
//
// Every operation is atomic. An error, apart from those of Reserve that are named below,
// says that the Store did not answer. Then the operation was carried out, or was not, or will
// be later.
type Store interface {
	// Renew renews or ends the lease of this replica, as presence says. It returns what the
	// Store holds after that.
	Renew(ctx context.Context, presence Presence) (View, error)

	// Reserve adds a record, whose owner is this replica. It fails with *StreamIDInUseError if
	// there is a record with the same StreamID, and with *LimitError if there are as many records
	// as limits allows. Records that have Ended do not count for either.
	Reserve(ctx context.Context, r Record, limits Limits) error

	// Save replaces the record with the same Key. It returns false and does nothing if there is
	// no such record, if the record has Ended, or if another replica is its owner.
	Save(ctx context.Context, r Record) (saved bool, err error)

	// TakeOver makes this replica the owner of a record, and returns the record. It returns
	// false and does nothing if there is no such record, or if its owner is another replica that
	// is alive.
	TakeOver(ctx context.Context, streamID, key string) (r Record, taken bool, err error)

	// Remove removes a record whose task has ended. If its owner is another replica that is
	// alive, or was Leaving at its last Renew less than a Lease ago, Remove only sets Ended. That
	// tells the owner to remove the record.
	Remove(ctx context.Context, streamID, key string) error
}

// Limits bounds how many records there may be. The zero value means no limit.
type Limits struct {
	Tasks         int // Of all callers together; 0: any number.
	TasksOfCaller int // With the same Caller; 0: any number.
}

// Lease is how long a replica counts as alive after its last Renew.
const Lease = 10 * time.Second

// Presence says what becomes of the lease of a replica.
type Presence int

// The values of Presence.
const (
	Staying Presence = iota // The lease is renewed.
	Leaving                 // The lease ends if another replica is alive. Otherwise it is renewed.
	Gone                    // The lease ends.
)

// Record describes a stream task to other replicas. All its times are by the clock of the
// Store, because the clocks of the replicas may differ.
type Record struct {
	Key      string // Tells two tasks with the same StreamID apart.
	StreamID string
	RoomID   string
	TaskID   string // Empty as long as ZEGO has not told it.
	Caller   string `json:",omitempty"` // Who asked for the task; empty: that is not known.

	Generated     bool // A ledger generated the StreamID.
	Confirmed     bool // ZEGO's list or status has shown the task under its TaskID.
	StoppedBefore bool // One task with this StreamID was stopped, and another one may appear until LatestCreateTime.
	WithCaller    bool // A caller has the TaskID. Otherwise the task is being created or stopped.
	Ended         bool // The task does not run any more. Its owner has yet to remove the record.

	ReservedAt       time.Time // Before the create was sent.
	LatestCreateTime time.Time // The latest CreateTime that ZEGO can give the task.
	ExpiresAt        time.Time // ZEGO has ended the task by then.
}

// View is what a Store holds at one moment.
type View struct {
	Now         time.Time // By the clock of the Store.
	Records     []OwnedRecord
	OthersAlive bool // At least one other replica is alive.
}

// OwnedRecord is a record and its owner.
type OwnedRecord struct {
	Record
	Owner Owner
}

// Owner says which replica owns a record.
type Owner int

// The values of Owner.
const (
	NoReplica    Owner = iota // A replica that is not alive any more.
	ThisReplica               // This one, even if its lease has ended.
	OtherReplica              // Another one, which is alive. If the record has Ended, it may also be Leaving.
)
