package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// outcome is what came of a task.
type outcome struct {
	answer       string    // The model's last words.
	streams      []*stream // All that the server under test created.
	runningRooms []string  // Rooms of all streams that still run, including those of other programs.
}

// check returns an error that says what is wrong with an outcome, or nil.
type check func(outcome) error

// says demands that the answer has each of the texts, in any case.
func says(texts ...string) check {
	return func(o outcome) error {
		for _, text := range texts {
			if !strings.Contains(strings.ToLower(o.answer), strings.ToLower(text)) {
				return fmt.Errorf("the answer lacks %q", text)
			}
		}
		return nil
	}
}

// saysOneOf demands that the answer has one of the texts, in any case.
func saysOneOf(texts ...string) check {
	return func(o outcome) error {
		for _, text := range texts {
			if says(text)(o) == nil {
				return nil
			}
		}
		return fmt.Errorf("the answer has none of %q", texts)
	}
}

// doesNotSay demands that the answer has none of the texts.
func doesNotSay(texts ...string) check {
	return func(o outcome) error {
		for _, text := range texts {
			if says(text)(o) == nil {
				return fmt.Errorf("the answer has %q", text)
			}
		}
		return nil
	}
}

// created demands that the model created n streams.
func created(n int) check {
	return func(o outcome) error {
		if len(o.streams) != n {
			return fmt.Errorf("%d streams were created, want %d", len(o.streams), n)
		}
		return nil
	}
}

// onAir demands that exactly the named digital humans were on air, in any order.
func onAir(names ...string) check {
	return func(o outcome) error {
		var got, want []string
		for _, s := range o.streams {
			got = append(got, s.humanID)
		}
		for _, name := range names {
			want = append(want, humanNamed(name).ID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("on air were %v, want %v", got, want)
		}
		return nil
	}
}

// inRooms demands that the streams were created in these rooms, in any order.
func inRooms(rooms ...string) check {
	return func(o outcome) error {
		var got []string
		for _, s := range o.streams {
			got = append(got, s.room)
		}
		return sameRooms("the rooms of the streams", got, rooms)
	}
}

// running demands that streams run at the end in exactly these rooms. Without rooms, no stream
// may run.
func running(rooms ...string) check {
	return func(o outcome) error { return sameRooms("the rooms in which streams still run", o.runningRooms, rooms) }
}

func sameRooms(what string, got, want []string) error {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s are %v, want %v", what, got, want)
	}
	return nil
}

// spoken demands that each of the texts was spoken to its end in one of the streams. A text
// may be cut into several drives. Punctuation and spaces do not matter.
func spoken(texts ...string) check {
	return func(o outcome) error {
		for _, text := range texts {
			found := slices.ContainsFunc(o.streams, func(s *stream) bool {
				var all strings.Builder
				for _, part := range s.speeches {
					if part.status == zego.DriveEnded {
						all.WriteString(part.text)
					}
				}
				return strings.Contains(lettersOf(all.String()), lettersOf(text))
			})
			if !found {
				return fmt.Errorf("%.60q was not spoken to its end", text)
			}
		}
		return nil
	}
}

// nothingCut demands that everything that the digital humans began to speak was spoken to its
// end.
func nothingCut(o outcome) error {
	return everySpeech(func(s *speech) string {
		if s.status != zego.DriveEnded {
			return "is " + s.status.String()
		}
		return ""
	})(o)
}

// everySpeech returns a check of each speech. problem returns what is wrong with one, or "".
func everySpeech(problem func(*speech) string) check {
	return func(o outcome) error {
		for _, stream := range o.streams {
			for _, s := range stream.speeches {
				if text := problem(s); text != "" {
					return fmt.Errorf("%.60q %s", s.text+s.audioURL, text)
				}
			}
		}
		return nil
	}
}

// someSpeech demands that is returns true for one speech. description completes "nothing was …".
func someSpeech(description string, is func(*speech) bool) check {
	return func(o outcome) error {
		for _, stream := range o.streams {
			if slices.ContainsFunc(stream.speeches, is) {
				return nil
			}
		}
		return fmt.Errorf("nothing was %s", description)
	}
}

// everyStream demands that is returns true for each stream. description completes "a stream is
// not …".
func everyStream(description string, is func(*stream) bool) check {
	return func(o outcome) error {
		for _, s := range o.streams {
			if !is(s) {
				return fmt.Errorf("a stream is not %s", description)
			}
		}
		return nil
	}
}

// lettersOf returns the letters and digits of a text, in lower case.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// humanNamed returns the simulator's digital human with the given name, or one without an id
// if there is none.
func humanNamed(name string) zego.DigitalHuman {
	for _, human := range zegosim.DefaultHumans() {
		if human.Name == name {
			return human
		}
	}
	return zego.DigitalHuman{}
}

// humansWhere returns the names of the simulator's digital humans for which wanted is true.
func humansWhere(wanted func(zego.DigitalHuman) bool) []string {
	var names []string
	for _, human := range zegosim.DefaultHumans() {
		if wanted(human) {
			names = append(names, human.Name)
		}
	}
	return names
}

// timbreNamed returns the id of the simulator's timbre with the given name, or "".
func timbreNamed(name string) string {
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.Name == name {
			return timbre.ID
		}
	}
	return ""
}
