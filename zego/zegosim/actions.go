package zegosim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"
	"zego-mcp/zego"
)

// actions are the actions of ZEGO's API that the simulator supports, by the name that
// travels in the query. To add one:
//
//   - Write its handler in the file of its subject.
//   - Add its line here.
//   - Where ZEGO's documents leave open what happens, say in a comment that begins
//     with "Assumed:" what the handler does.
//   - Test it through HTTP, both its success and what it refuses.
var actions = map[string]handler{
	// digital_humans.go
	"GetDigitalHumanList":       (*Server).getDigitalHumanList,
	"GetDigitalHumanInfo":       (*Server).getDigitalHumanInfo,
	"GetDigitalHumanRenderInfo": (*Server).getDigitalHumanRenderInfo,

	// timbres.go
	"GetTimbreList": (*Server).getTimbreList,

	// stream_tasks.go
	"CreateDigitalHumanStreamTask":    (*Server).createStreamTask,
	"GetDigitalHumanStreamTaskStatus": (*Server).getStreamTaskStatus,
	"QueryDigitalHumanStreamTasks":    (*Server).queryStreamTasks,
	"StopDigitalHumanStreamTask":      (*Server).stopStreamTask,

	// drives.go
	"DriveByText":        (*Server).driveByText,
	"DriveByAudio":       (*Server).driveByAudio,
	"DriveByWsStream":    (*Server).driveByWSStream,
	"DriveByRTCStream":   (*Server).driveByRTCStream,
	"DoAction":           (*Server).doAction,
	"InterruptDriveTask": (*Server).interruptDriveTask,
	"GetDriveStatus":     (*Server).getDriveStatus,
}

// Actions returns the names of all actions that the Server supports, sorted.
func Actions() []string { return slices.Sorted(maps.Keys(actions)) }

// handler carries out an action. It reads its parameters from the request, checks
// request.err, and returns the answer's Data, or an error of refuse. If data is nil,
// the answer has no Data. The signature, the rate limit and scripted faults are dealt
// with before.
//
// A handler runs with Server.mu held, and all stream tasks are up to date.
type handler func(*Server, *request) (data any, err error)

// request is a call of the API.
type request struct {
	method   string // GET or POST
	query    url.Values
	body     []byte
	bodyErr  error     // why the body could not be read
	received time.Time // by the server's clock
	origin   string    // scheme and host by which the caller reached the server
	fault    Fault     // zero: nothing goes wrong

	// Only for handlers:
	params
	now time.Time // by the server's clock, for stream tasks and drives
}

// clock is the time that the caller is shown and that its signature is checked against.
// It is wrong by Fault.ClockOffset.
func (r *request) clock() time.Time { return r.received.Add(r.fault.ClockOffset) }

// refusal is the error of a call that is refused with one of ZEGO's codes.
type refusal struct {
	code    zego.Code
	message string
}

func (r *refusal) Error() string { return r.message }

// refuse returns an error that the caller sees as ZEGO's Code and Message.
func refuse(code zego.Code, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// offsetAndLimit reads the parameters of a list, of which selectPage then returns a part.
func (r *request) offsetAndLimit() (offset, limit int) {
	return r.number("Offset", 0, 0, 1_000_000), r.number("Limit", 20, 1, 20)
}

// selectPage returns up to limit of the elements that keep accepts, from offset on, and how
// many it accepts in all. Past the end the page is empty. Only the page is copied.
func selectPage[T any](all []T, keep func(*T) bool, offset, limit int) (page []T, total int) {
	for i := range all {
		if !keep(&all[i]) {
			continue
		}
		if total >= offset && len(page) < limit {
			page = append(page, all[i])
		}
		total++
	}
	return page, total
}
