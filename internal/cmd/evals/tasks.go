package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"zego-mcp/tools"
	"zego-mcp/zego"
)

// task is an everyday request, and the checks that tell whether it was fulfilled.
type task struct {
	name     string
	request  string
	toolsets []tools.Toolset
	prepare  func(context.Context, *world) error // Before the model is asked; usually nil.
	checks   []check
}

var (
	looking   = []tools.Toolset{tools.Assets}
	streaming = []tools.Toolset{tools.Assets, tools.Streaming}
)

// tasks are the requests. The simulator has 64 digital humans, 16 of them private.
var tasks = []task{
	// Choosing and searching.
	{
		name: "count", toolsets: looking,
		request: "How many digital humans can we use in all?",
		checks:  []check{says("64")},
	},
	{
		name: "count-own", toolsets: looking,
		request: "How many of our digital humans are our own, so that no other company can use them?",
		checks:  []check{says("16")},
	},
	{
		name: "choose", toolsets: looking,
		request: "I need a digital human who can clap. Suggest one by name and DigitalHumanId.",
		checks:  []check{saysOneOf(idsOf(withGesture("clap"))...)},
	},
	{
		name: "find-by-name", toolsets: looking,
		request: "What is the DigitalHumanId of Sophia?",
		checks:  []check{says(humanNamed("Sophia").ID)},
	},
	{
		name: "find-misspelt", toolsets: looking,
		request: "Which digital human is called Izabella or so? Give me the DigitalHumanId.",
		checks:  []check{says(humanNamed("Isabella").ID)},
	},
	{
		name: "find-chinese", toolsets: looking,
		request: "请找到名叫“林晓雨”的数字人，并告诉我她的 DigitalHumanId。",
		checks:  []check{says(humanNamed("林晓雨").ID)},
	},
	{
		name: "find-pinyin", toolsets: looking,
		request: "I only know how it sounds: our digital human Su Qing, for the brand. What is her DigitalHumanId?",
		checks:  []check{says(humanNamed("品牌主播 苏晴").ID)},
	},
	{
		name: "gestures", toolsets: looking,
		request: "Which gestures can Emma make?",
		checks:  []check{says("wave_hand", "nod", "thumbs_up")},
	},
	{
		name: "no-gestures", toolsets: looking,
		request: "Can Sophia wave? Answer with YES or NO.",
		checks:  []check{says("no"), doesNotSay("yes")},
	},
	{
		name: "own-voices", toolsets: looking,
		request: "Which voices does Daniel Brooks have that nobody else can use?",
		checks:  []check{says("Keynote")},
	},
	{
		name: "voice", toolsets: looking,
		request: "What is the TimbreId of the Japanese voice?",
		checks:  []check{says(timbreNamed("Japanese Female - Aoi"))},
	},
	{
		name: "nobody", toolsets: looking,
		request: "Give me the DigitalHumanId of Bartholomew, or say in the words NOT FOUND that there is none.",
		checks:  []check{says("not found")},
	},
	{
		name: "table", toolsets: looking,
		request: "Make me a table of all our digital humans: name, and whether it is public or private.",
		checks:  []check{says(humansWhere(func(zego.DigitalHuman) bool { return true })...)},
	},

	// What is off or not possible.
	{
		name: "streaming-off", toolsets: looking,
		request: "Put Emma on air in the room lobby and let her say good evening.",
		checks:  []check{says("ZEGO_TOOLSETS"), created(0)},
	},
	{
		name: "local-audio", toolsets: streaming,
		request: "Let Emma play http://localhost:8000/jingle.mp3 in the room lobby. If that cannot be, tell me why, and leave nothing running.",
		checks:  []check{saysOneOf("internet", "localhost", "public"), running(), speechCount(0)},
	},
	{
		name: "two-hours", toolsets: streaming,
		request: "Put Emma on air in the room lobby for two hours. If that is more than is allowed, put nobody on air and tell me how long she may be.",
		checks:  []check{saysOneOf("3600", "1 hour", "one hour", "60 minutes", "an hour"), created(0)},
	},
	{
		name: "four-of-three", toolsets: streaming,
		request: "Put Emma, Amara, Lucas and Noah on air, in the rooms a, b, c and d. If not all of them can be on air at once, stop all that you started, and tell me how many could.",
		checks:  []check{saysOneOf("3", "three"), running()},
	},

	// Speaking.
	{
		name: "speak-and-stop", toolsets: streaming,
		request: "Let Emma say 'Good evening, and welcome to our show.' in the room studio, and end the stream when she has said it.",
		checks:  []check{onAir("Emma"), inRooms("studio"), spoken("Good evening, and welcome to our show."), nothingCut, running()},
	},
	{
		name: "speak-chinese", toolsets: streaming,
		request: "让林晓雨在 studio 房间说：“大家好，欢迎来到我们的直播间，今天有很多新产品要介绍给大家。”说完之后结束直播。",
		checks:  []check{onAir("林晓雨"), spoken("大家好，欢迎来到我们的直播间，今天有很多新产品要介绍给大家。"), nothingCut, running()},
	},
	{
		name: "speak-long", toolsets: streaming,
		request: "Let Emma read this in the room reading, all of it, then end the stream:\n\n" + longText,
		checks:  []check{onAir("Emma"), spoken(longText), nothingCut, running()},
	},
	{
		name: "faster", toolsets: streaming,
		request: "Let Noah say 'Tickets are on sale from tomorrow.' twice in the room box-office, the second time clearly faster. Then end the stream.",
		checks: []check{
			onAir("Noah"), nothingCut, running(),
			someSpeech("spoken faster", func(s *speech) bool { return s.rate >= 50 }),
			someSpeech("spoken at normal speed", func(s *speech) bool { return s.rate == 0 }),
		},
	},
	{
		name: "own-voice", toolsets: streaming,
		request: "Daniel Brooks shall say 'Welcome to the annual meeting.' with his own keynote voice, in the room hall. Then stop.",
		checks: []check{
			onAir("Daniel Brooks"), spoken("Welcome to the annual meeting."), nothingCut, running(),
			someSpeech("spoken with the keynote voice", func(s *speech) bool { return s.timbreID == timbreNamed("Daniel Brooks - Keynote") }),
		},
	},
	{
		name: "interrupt", toolsets: streaming,
		request: "In the room desk, let Emma begin with this text, and cut her off before its end: '" + longText[:900] + "' Then let her say 'We interrupt for breaking news.' and end the stream after that.",
		checks: []check{
			onAir("Emma"), spoken("We interrupt for breaking news."), running(),
			someSpeech("cut off", func(s *speech) bool { return s.status == zego.DriveInterrupted }),
		},
	},
	{
		name: "gesture", toolsets: streaming,
		request: "Emma shall say 'Hello everybody!' in the room lobby and wave her hand, and then go off air.",
		checks: []check{
			onAir("Emma"), spoken("Hello everybody!"), nothingCut, running(),
			everyStream("one with a wave", func(s *stream) bool { return slices.Contains(s.gestures, "wave_hand") }),
		},
	},
	{
		name: "dialogue", toolsets: streaming,
		request: "In the room talk: Emma asks 'How was the trip to Mars?', and when she is done, Noah answers 'Long, but the food was good.' Then both go off air.",
		checks:  []check{onAir("Emma", "Noah"), inRooms("talk", "talk"), spoken("How was the trip to Mars?", "Long, but the food was good."), nothingCut, running()},
	},
	{
		name: "audio", toolsets: streaming,
		request: "Let Amara speak the recording https://example.com/welcome.mp3 in the room lobby, to its end, and then end the stream.",
		checks: []check{
			onAir("Amara"), nothingCut, running(),
			someSpeech("the recording", func(s *speech) bool { return s.audioURL == "https://example.com/welcome.mp3" }),
		},
	},
	{
		name: "background", toolsets: streaming,
		request: "Emma shall say 'Merry Christmas!' in the room party, with a red background. End the stream then.",
		checks: []check{
			onAir("Emma"), spoken("Merry Christmas!"), nothingCut, running(),
			everyStream("red", func(s *stream) bool { return strings.HasPrefix(strings.ToLower(s.background), "#ff0000") }),
		},
	},
	{
		name: "room-with-space", toolsets: streaming,
		request: "Let Emma say 'One, two, three.' in the room 'my studio', or in one with a name as near to that as is allowed. Then stop.",
		checks: []check{
			onAir("Emma"), spoken("One, two, three."), nothingCut, running(),
			everyStream("in a room like my-studio", func(s *stream) bool { return lettersOf(s.room) == "mystudio" }),
		},
	},
	{
		name: "stay-on-air", toolsets: streaming,
		request: "Put Emma on air in the room lobby, let her say 'We begin in a minute.', and leave her on air.",
		checks:  []check{onAir("Emma"), spoken("We begin in a minute."), nothingCut, running("lobby")},
	},

	// Streams that are there already.
	{
		name: "what-runs", toolsets: looking, prepare: foreign("kitchen", "garden"),
		request: "What is on air now, and in which rooms?",
		checks:  []check{says("kitchen", "garden"), running("garden", "kitchen")},
	},
	{
		name: "stop-all", toolsets: streaming, prepare: foreign("kitchen", "garden"),
		request: "Stop everything that is on air, also what other programs have started. You have my consent for all of it.",
		checks:  []check{running()},
	},
	{
		name: "stop-one", toolsets: streaming, prepare: foreign("kitchen", "garden"),
		request: "Stop the stream in the room kitchen. I agree, although another program started it. Touch nothing else.",
		checks:  []check{running("garden")},
	},
	{
		name: "leave-others", toolsets: streaming, prepare: foreign("theirs"),
		request: "Let Lucas say 'This is a test.' in the room ours. When he is done, stop what you started, and only that.",
		checks:  []check{onAir("Lucas"), spoken("This is a test."), nothingCut, running("theirs")},
	},
	{
		name: "nothing-runs", toolsets: streaming,
		request: "Is anything on air that costs us money? Answer with YES or NO.",
		checks:  []check{says("no"), doesNotSay("yes"), created(0)},
	},
}

// longText has 4000 characters.
var longText = func() string {
	var text strings.Builder
	for i := 1; text.Len() < 4000; i++ {
		_, _ = fmt.Fprintf(&text, "On day %d of the journey we saw %d birds above the river, and nobody said a word about them. ", i, i*3)
	}
	return strings.TrimSpace(text.String()[:3999]) + "."
}()

// foreign prepares a stream of another program in each of the rooms.
func foreign(rooms ...string) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		for _, room := range rooms {
			if _, err := w.startForeign(ctx, room); err != nil {
				return err
			}
		}
		return nil
	}
}

// withGesture returns a function that reports whether a digital human has a gesture.
func withGesture(name string) func(zego.DigitalHuman) bool {
	return func(human zego.DigitalHuman) bool {
		return slices.ContainsFunc(human.Gestures, func(g zego.Gesture) bool { return g.Name == name })
	}
}

// idsOf returns the ids of the simulator's digital humans for which wanted is true.
func idsOf(wanted func(zego.DigitalHuman) bool) []string {
	var ids []string
	for _, name := range humansWhere(wanted) {
		ids = append(ids, humanNamed(name).ID)
	}
	return ids
}

// speechCount demands that n speeches were begun.
func speechCount(n int) check {
	return func(o outcome) error {
		count := 0
		for _, s := range o.streams {
			count += len(s.speeches)
		}
		if count != n {
			return fmt.Errorf("%d speeches were begun, want %d", count, n)
		}
		return nil
	}
}
