package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// solver carries out a task by hand. Its methods fail the test if a call fails.
type solver struct {
	*testing.T
	w *world
}

// call calls a tool and returns its result.
func (s solver) call(tool, arguments string, values ...any) map[string]any {
	s.Helper()
	text, failed, err := s.w.call(s.Context(), tool, json.RawMessage(fmt.Sprintf(arguments, values...)))
	if err != nil || failed {
		s.Fatalf("%s: %s %v", tool, text, err)
	}
	result := map[string]any{}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		s.Fatal(err)
	}
	return result
}

// create starts a stream of the named digital human and returns its TaskId. more is empty or
// begins with a comma.
func (s solver) create(name, room, more string) string {
	s.Helper()
	return s.call("create_stream_task", `{"DigitalHumanId":%q,"RoomId":%q%s}`, humanNamed(name).ID, room, more)["TaskId"].(string)
}

// say speaks a text to its end.
func (s solver) say(taskID, text, more string) {
	s.Helper()
	s.call("drive_by_text", `{"TaskId":%q,"Text":%q,"TimbreId":%q%s}`, taskID, text, timbreNamed("知小白"), more)
	s.wait(taskID)
}

// wait waits until nothing more is to be spoken.
func (s solver) wait(taskID string) {
	s.Helper()
	for speaking := true; speaking; {
		time.Sleep(time.Second) // Of the virtual time in which the test runs.
		drives, err := s.w.checker.GetDriveStatus(s.Context(), taskID, "")
		if err != nil {
			s.Fatal(err)
		}
		speaking = false
		for _, drive := range drives {
			speaking = speaking || drive.Status <= zego.Driving
		}
	}
}

func (s solver) stop(taskIDs ...string) {
	s.Helper()
	for _, id := range taskIDs {
		s.call("stop_stream_task", `{"TaskId":%q}`, id)
	}
}

// show speaks one text on a stream of its own.
func (s solver) show(name, room, text, moreCreate, moreDrive string) {
	s.Helper()
	id := s.create(name, room, moreCreate)
	s.say(id, text, moreDrive)
	s.stop(id)
}

// stopForeign stops the streams of other programs that run in the rooms.
func (s solver) stopForeign(rooms ...string) {
	s.Helper()
	list, err := s.w.checker.ListStreamTasks(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, task := range list.Tasks {
		for _, room := range rooms {
			if task.RoomID == room {
				s.call("stop_stream_task", `{"TaskId":%q,"Confirm":true}`, task.ID)
			}
		}
	}
}

// solutions carry out every task and return the answer for the user.
var solutions = map[string]func(solver) string{
	"count":         func(s solver) string { return fmt.Sprint(s.call("list_digital_humans", `{"Limit":1}`)["Total"]) },
	"count-own":     func(s solver) string { return fmt.Sprint(s.call("list_digital_humans", `{"FetchMode":3}`)["Total"]) },
	"choose":        findHuman("clap"),
	"find-by-name":  findHuman("Sophia"),
	"find-misspelt": findHuman("Isabella"),
	"find-chinese":  findHuman("林晓雨"),
	"find-pinyin":   findHuman("苏晴"),
	"gestures":      findHuman("Emma"),
	"no-gestures":   func(solver) string { return "NO" },
	"own-voices": func(s solver) string {
		return fmt.Sprint(s.call("list_timbres", `{"DigitalHumanId":%q,"Scope":"private"}`, humanNamed("Daniel Brooks").ID))
	},
	"voice": func(s solver) string {
		return fmt.Sprint(s.call("list_timbres", `{}`), s.call("list_timbres", `{"Offset":20}`))
	},
	"nobody": func(solver) string { return "Not found." },
	"table": func(s solver) string {
		var all []any
		for _, offset := range []int{0, 20, 40, 60} {
			all = append(all, s.call("list_digital_humans", `{"Offset":%d}`, offset))
		}
		return fmt.Sprint(all...)
	},
	"streaming-off": func(s solver) string {
		text, failed, err := s.w.call(s.Context(), "create_stream_task", json.RawMessage(`{}`))
		if !failed || err != nil {
			s.Errorf("a tool that is off was called: %s, %v", text, err)
		}
		return text
	},
	"local-audio": func(s solver) string {
		text, _, _ := s.w.call(s.Context(), "drive_by_audio", json.RawMessage(`{"TaskId":"x","AudioUrl":"http://localhost:8000/jingle.mp3"}`))
		return text
	},
	"two-hours": func(s solver) string {
		text, _, _ := s.w.call(s.Context(), "create_stream_task", json.RawMessage(`{"DigitalHumanId":"x","RoomId":"lobby","TTL":7200}`))
		return text
	},
	"four-of-three": func(s solver) string {
		s.stop(s.create("Emma", "a", ""), s.create("Amara", "b", ""), s.create("Lucas", "c", ""))
		return "Three could."
	},
	"speak-and-stop": show("Emma", "studio", "Good evening, and welcome to our show.", ""),
	"speak-chinese":  show("林晓雨", "studio", "大家好，欢迎来到我们的直播间，今天有很多新产品要介绍给大家。", ""),
	"speak-long": func(s solver) string {
		id := s.create("Emma", "reading", "")
		sentences := strings.SplitAfter(longText, ". ")
		half := len(sentences) / 3
		for _, part := range [][]string{sentences[:half], sentences[half : 2*half], sentences[2*half:]} {
			s.say(id, strings.Join(part, ""), "")
		}
		s.stop(id)
		return ""
	},
	"faster": func(s solver) string {
		id := s.create("Noah", "box-office", "")
		s.say(id, "Tickets are on sale from tomorrow.", "")
		s.say(id, "Tickets are on sale from tomorrow.", `,"SpeechRate":250`)
		s.stop(id)
		return ""
	},
	"own-voice": func(s solver) string {
		id := s.create("Daniel Brooks", "hall", "")
		s.call("drive_by_text", `{"TaskId":%q,"Text":"Welcome to the annual meeting.","TimbreId":%q}`, id, timbreNamed("Daniel Brooks - Keynote"))
		s.wait(id)
		s.stop(id)
		return ""
	},
	"interrupt": func(s solver) string {
		id := s.create("Emma", "desk", "")
		s.call("drive_by_text", `{"TaskId":%q,"Text":%q,"TimbreId":%q%s}`, id, longText[:900], timbreNamed("知小白"), s.withoutWaiting())
		s.say(id, "We interrupt for breaking news.", `,"InterruptMode":1`)
		s.stop(id)
		return ""
	},
	"gesture": func(s solver) string {
		id := s.create("Emma", "lobby", "")
		s.call("do_action", `{"TaskId":%q,"Action":"wave_hand"}`, id)
		s.say(id, "Hello everybody!", "")
		s.stop(id)
		return ""
	},
	"dialogue": func(s solver) string {
		emma, noah := s.create("Emma", "talk", ""), s.create("Noah", "talk", "")
		s.say(emma, "How was the trip to Mars?", "")
		s.say(noah, "Long, but the food was good.", "")
		s.stop(emma, noah)
		return ""
	},
	"audio": func(s solver) string {
		id := s.create("Amara", "lobby", "")
		s.call("drive_by_audio", `{"TaskId":%q,"AudioUrl":"https://example.com/welcome.mp3"}`, id)
		s.wait(id)
		s.stop(id)
		return ""
	},
	"background":      show("Emma", "party", "Merry Christmas!", `,"BackgroundColor":"#ff0000"`),
	"room-with-space": show("Emma", "my-studio", "One, two, three.", ""),
	"stay-on-air": func(s solver) string {
		s.call("drive_by_text", `{"TaskId":%q,"Text":"We begin in a minute.","TimbreId":%q}`, s.create("Emma", "lobby", ""), timbreNamed("知小白"))
		return ""
	},
	"what-runs": func(s solver) string { return fmt.Sprint(s.call("list_stream_tasks", `{}`)) },
	"stop-all": func(s solver) string {
		s.stopForeign("kitchen", "garden")
		return ""
	},
	"stop-one": func(s solver) string {
		s.stopForeign("kitchen")
		return ""
	},
	"leave-others": show("Lucas", "ours", "This is a test.", ""),
	"nothing-runs": func(s solver) string { return fmt.Sprint("No. ", s.call("list_stream_tasks", `{}`)) },
}

// withoutWaiting returns the argument that makes a drive answer before it is spoken, if the
// tool has one.
func (s solver) withoutWaiting() string {
	for _, tool := range s.w.tools {
		if tool.Name == "drive_by_text" && strings.Contains(string(inputSchema(tool)), `"WaitUntilSpoken"`) {
			return `,"WaitUntilSpoken":false`
		}
	}
	return ""
}

// findHuman returns a solution that searches and answers with all that was found.
func findHuman(query string) func(solver) string {
	return func(s solver) string { return fmt.Sprint(s.call("find_digital_humans", `{"Query":%q}`, query)) }
}

// show returns a solution that speaks one text on a stream of its own.
func show(name, room, text, more string) func(solver) string {
	return func(s solver) string {
		s.show(name, room, text, more, "")
		return "Done."
	}
}

// TestTasks carries out every task, which must fulfil its checks, and then does nothing for
// it, which must not.
func TestTasks(t *testing.T) {
	t.Parallel()
	if len(tasks) < 25 || len(tasks) != len(solutions) {
		t.Errorf("%d tasks and %d solutions", len(tasks), len(solutions))
	}
	for _, task := range tasks {
		t.Run(task.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if failure := attempt(t, task, solutions[task.name]); failure != nil {
					t.Errorf("carried out, and yet: %v", failure)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				if failure := attempt(t, task, func(solver) string { return "Done." }); failure == nil {
					t.Error("nothing was done, and the checks do not notice")
				}
			})
		})
	}
}

// attempt tries a task and returns what the checks say.
func attempt(t *testing.T, task task, solve func(solver) string) (failure error) {
	t.Helper()
	w := startWorld(t, task)
	if solve == nil {
		t.Fatal("the task has no solution")
	}
	failure, err := judge(t.Context(), w, task, solve(solver{t, w}))
	if err != nil {
		t.Fatal(err)
	}
	return failure
}

// startWorld returns a prepared world, which is stopped at the end of the test.
func startWorld(t *testing.T, task task) *world {
	t.Helper()
	w, err := newWorld(t.Context(), task.toolsets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	if task.prepare != nil {
		if err := task.prepare(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestCutSpeech stops a stream at once after its drive, and speaks only half of a text.
func TestCutSpeech(t *testing.T) {
	t.Parallel()
	for name, solve := range map[string]func(solver) string{
		"cut off": func(s solver) string {
			id := s.create("Emma", "studio", "")
			s.call("drive_by_text", `{"TaskId":%q,"Text":"Good evening, and welcome to our show.","TimbreId":%q%s}`, id, timbreNamed("知小白"), s.withoutWaiting())
			if _, err := s.w.checker.StopStreamTask(s.Context(), id); err != nil {
				s.Fatal(err)
			}
			return "Done."
		},
		"half":          show("Emma", "studio", "Good evening.", ""),
		"somebody else": show("Noah", "studio", "Good evening, and welcome to our show.", ""),
		"another room":  show("Emma", "lobby", "Good evening, and welcome to our show.", ""),
		"left running": func(s solver) string {
			s.say(s.create("Emma", "studio", `,"MaxIdleTime":3600,"TTL":3600`), "Good evening, and welcome to our show.", "")
			return "Done."
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if failure := attempt(t, taskNamed(t, "speak-and-stop"), solve); failure == nil {
					t.Error("the checks do not notice")
				}
			})
		})
	}
}

// TestSpoken checks a text that was cut into drives, of which one was or was not spoken to its
// end.
func TestSpoken(t *testing.T) {
	t.Parallel()
	for last, want := range map[zego.DriveStatus]bool{zego.DriveEnded: true, zego.DriveInterrupted: false, zego.DriveQueued: false} {
		o := outcome{streams: []*stream{{speeches: []*speech{{text: "Good evening,", status: zego.DriveEnded}, {text: "and welcome.", status: last}}}}}
		if err := spoken("Good evening, and welcome!")(o); (err == nil) != want {
			t.Errorf("the last part is %v: got %v", last, err)
		}
	}
}

func taskNamed(t *testing.T, name string) task {
	t.Helper()
	for _, task := range tasks {
		if task.name == name {
			return task
		}
	}
	t.Fatalf("there is no task %s", name)
	return task{}
}

// TestLongText checks what the tasks say of their texts and of the simulator.
func TestLongText(t *testing.T) {
	t.Parallel()
	if len(longText) != 4000 || len(zegosim.DefaultHumans()) != 64 {
		t.Errorf("%d characters, %d digital humans", len(longText), len(zegosim.DefaultHumans()))
	}
}
