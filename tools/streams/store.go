package streams

import (
	"context"
	"time"
)

// Store is a list of stream tasks that several ledgers share, each in a process of its own,
// called a replica. Every operation is atomic. Its errors say that the Store did not answer,
// so that the operation may have been carried out or not, or may be carried out later.
//
// Each replica has a lease: it lives for Lease after its last Renew. Each record belongs to
// one replica. When that one no longer lives, another may take the record over.
type Store interface {
	// Renew renews or ends the lease of this replica, as presence says, and returns what the
	// Store holds after that.
	Renew(ctx context.Context, presence Presence) (View, error)

	// Reserve adds a record, which belongs to this replica from then on. It fails with
	// *StreamIDInUseError if there is a record of the same StreamId, and with *LimitError if
	// there are maxTasks records already. Records that have ended count for neither.
	// With a maxTasks of 0 there is no limit.
	Reserve(ctx context.Context, r Record, maxTasks int) error

	// Save replaces the record with the same ID. It does nothing and reports false if there is
	// no such record, if the record has ended, or if it belongs to another replica.
	Save(ctx context.Context, r Record) (saved bool, err error)

	// TakeOver gives a record to this replica, and returns the record. It does nothing and
	// reports false if there is no such record, or if it belongs to another replica that
	// lives.
	TakeOver(ctx context.Context, streamID, id string) (r Record, taken bool, err error)

	// Remove removes a record whose task has ended. If the record belongs to another replica
	// that lives, it only becomes Ended, so that its owner learns of that.
	Remove(ctx context.Context, streamID, id string) error
}

// Lease is how long a replica is taken to live after it last renewed its lease.
const Lease = 10 * time.Second

// Presence says what becomes of the lease of a replica.
type Presence int

// The values of Presence.
const (
	Staying Presence = iota // The lease is renewed.
	Leaving                 // The lease ends if another replica lives; otherwise it is renewed.
	Gone                    // The lease ends.
)

// Record is a stream task as replicas describe it to each other. All its times are by the
// clock of the Store, because the clocks of the replicas may differ.
type Record struct {
	ID       string // Tells two tasks with one StreamId apart.
	StreamID string
	RoomID   string
	TaskID   string // Empty as long as ZEGO has not told it.

	Generated bool // A ledger made the StreamId up.
	Confirmed bool // ZEGO has described the task under its TaskId.
	Stopped   bool // A task with this StreamId was stopped; see task.stoppedOnce.
	Held      bool // A caller has the TaskId. Otherwise the task is to be stopped, or being created.
	Ended     bool // The task does not run any more; its owner has yet to remove the record.

	ReservedAt    time.Time // Before the create was sent.
	CreatedBefore time.Time // The latest CreateTime that the task can have.
	ExpiresAt     time.Time // When ZEGO has ended the task at the latest.
}

// View is what a Store holds at one moment.
type View struct {
	Now        time.Time // By the clock of the Store.
	Records    []OwnedRecord
	OthersLive bool // At least one other replica lives.
}

// OwnedRecord is a record, and whose it is.
type OwnedRecord struct {
	Record
	Owner Owner
}

// Owner says to which replica a record belongs.
type Owner int

// The values of Owner.
const (
	NoReplica    Owner = iota // One that does not live any more.
	ThisReplica               // This one, even if its lease has run out.
	OtherReplica              // Another one, which lives.
)
