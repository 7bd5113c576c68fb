package zegosim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

func TestDriveParameters(t *testing.T) {
	t.Parallel()
	ownTimbre, otherTimbre := "", ""
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.DigitalHumanID == privateID {
			ownTimbre = timbre.ID
		} else if timbre.DigitalHumanID != "" {
			otherTimbre = timbre.ID
		}
	}
	text := func(text, tts string) string {
		return `{"TaskId":"` + firstTask + `","Text":"` + text + `","TTSConfig":` + tts + `}`
	}
	voice := func(id, rest string) string { return `{"TimbreId":"` + id + `"` + rest + `}` }
	audio := func(url string) string { return `{"TaskId":"` + firstTask + `","AudioUrl":"` + url + `"}` }
	for _, tt := range []struct {
		name, action, body string
		want               zego.Code
		mentions           string
	}{
		{"all of text", byText, withFields(`"InterruptMode":1`, text("hi", voice(publicTimbre, `,"SpeechRate":-500,"PitchRate":500,"Volume":1`))), 0, ""},
		{"longest text", byText, text(strings.Repeat("知", 1800), voice(publicTimbre, "")), 0, ""},
		{"private timbre of its own", byText, text("hi", voice(ownTimbre, "")), 0, ""},
		{"private timbre of another", byText, text("hi", voice(otherTimbre, "")), zego.CodeTimbreNotSupported, otherTimbre},
		{"timbre unknown", byText, text("hi", voice("nobody", "")), zego.CodeTimbreNotFound, `"nobody"`},
		{"Text missing", byText, `{"TaskId":"` + firstTask + `","TTSConfig":{"TimbreId":"x"}}`, invalid, "Text is required"},
		{"Text empty", byText, text("", voice(publicTimbre, "")), invalid, "Text must not be empty"},
		{"Text too long", byText, text(strings.Repeat("知", 1801), voice(publicTimbre, "")), invalid, "Text must have 1 to 1800 characters, got 1801"},
		{"TTSConfig missing", byText, withFields(`"Text":"hi","TimbreId":"x"`, taskBody), invalid, "TTSConfig is required"},
		{"TTSConfig no object", byText, text("hi", `"x"`), invalid, "TTSConfig must be an object"},
		{"TimbreId missing", byText, text("hi", `{}`), invalid, "TTSConfig.TimbreId is required"},
		{"SpeechRate too small", byText, text("hi", voice(publicTimbre, `,"SpeechRate":-501`)), invalid, "TTSConfig.SpeechRate must be between -500 and 500, got -501"},
		{"SpeechRate too big", byText, text("hi", voice(publicTimbre, `,"SpeechRate":501`)), invalid, "SpeechRate"},
		{"PitchRate too small", byText, text("hi", voice(publicTimbre, `,"PitchRate":-501`)), invalid, "PitchRate"},
		{"PitchRate too big", byText, text("hi", voice(publicTimbre, `,"PitchRate":501`)), invalid, "PitchRate"},
		{"Volume too small", byText, text("hi", voice(publicTimbre, `,"Volume":0`)), invalid, "TTSConfig.Volume must be between 1 and 100, got 0"},
		{"Volume too big", byText, text("hi", voice(publicTimbre, `,"Volume":101`)), invalid, "Volume"},
		{"InterruptMode of text", byText, withFields(`"InterruptMode":2`, textBody), invalid, "InterruptMode must be between 0 and 1, got 2"},
		{"range before task", byText, `{"TaskId":"nobody","Text":"","TTSConfig":{"TimbreId":"nobody"}}`, invalid, "Text"},
		{"task before timbre", byText, `{"TaskId":"nobody","Text":"hi","TTSConfig":{"TimbreId":"nobody"}}`, zego.CodeTaskNotFound, `task "nobody"`},

		{"all of audio", byAudio, withFields(`"InterruptMode":1,"VoiceChannel":2`, audio("HTTP://example.test:8080/a.mp3?x=1")), 0, ""},
		{"AudioUrl missing", byAudio, taskBody, invalid, "AudioUrl is required"},
		{"AudioUrl a path", byAudio, audio("/a.mp3"), invalid, "AudioUrl must be an http or https URL"},
		{"AudioUrl a file", byAudio, audio("file:///a.mp3"), invalid, "AudioUrl"},
		{"AudioUrl without a host", byAudio, audio("https:///a.mp3"), invalid, "AudioUrl"},
		{"AudioUrl malformed", byAudio, audio("http://[/a.mp3"), invalid, "AudioUrl"},
		{"VoiceChannel too small", byAudio, withFields(`"VoiceChannel":-1`, audioBody), invalid, "VoiceChannel"},
		{"VoiceChannel too big", byAudio, withFields(`"VoiceChannel":3`, audioBody), invalid, "VoiceChannel must be between 0 and 2, got 3"},
		{"InterruptMode of audio", byAudio, withFields(`"InterruptMode":-1`, audioBody), invalid, "InterruptMode"},

		{"RTC", byRTC, rtcBody, 0, ""},
		{"RTCConfig missing", byRTC, taskBody, invalid, "RTCConfig is required"},
		{"RoomId missing", byRTC, `{"TaskId":"` + firstTask + `","RTCConfig":{"StreamId":"x"}}`, invalid, "RTCConfig.RoomId is required"},
		{"StreamId malformed", byRTC, `{"TaskId":"` + firstTask + `","RTCConfig":{"RoomId":"x","StreamId":"a b"}}`, invalid, "RTCConfig.StreamId"},

		{"voice", byVoice, taskBody, 0, ""},

		{"gesture missing", doAction, taskBody, invalid, "Action is required"},
		{"gesture of one who has none", doAction, withFields(`"Action":"bow"`, taskBody), invalid, `Action "bow" does not exist: this digital human has none`},
		{"task before gesture", doAction, `{"TaskId":"nobody","Action":"bow"}`, zego.CodeTaskNotFound, ""},

		{"neither id", drives, `{}`, invalid, "TaskId or DriveId is required"},
		{"drive unknown", drives, `{"DriveId":"nobody"}`, zego.CodeTaskNotFound, `"nobody"`},
		{"drive of another task", drives, withFields(`"DriveId":"nobody"`, taskBody), zego.CodeTaskNotFound, `"nobody"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, &zegosim.Server{})
			ts.createStreaming(strings.Replace(createBody, publicID, privateID, 1))
			got := ts.call(tt.action, tt.body)
			if got.Code != tt.want || !strings.Contains(got.Message, tt.mentions) {
				t.Errorf("got %d %q, want %d with %q", got.Code, got.Message, tt.want, tt.mentions)
			}
		})
	}
}

func TestGestures(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	ts.createStreaming(createBody)
	ts.mustCall(doAction, withFields(`"Action":"802_921474"`, taskBody))
	got := ts.call(doAction, withFields(`"Action":"fly"`, taskBody))
	if want := `Action "fly" does not exist: this digital human has 802_921474, 790_421367, 804_750085, idle_action, mute_action`; got.Code != invalid || got.Message != want {
		t.Errorf("got %d %q, want %d %q", got.Code, got.Message, invalid, want)
	}
}

// TestQueue makes drives, then checks the status of all of them as time passes. Text
// lasts one second, and audio five.
func TestQueue(t *testing.T) {
	t.Parallel()
	type check struct {
		after time.Duration
		want  []int
	}
	type drive struct{ action, body string }
	text, audio, audioNow := drive{byText, textBody}, drive{byAudio, audioBody}, drive{byAudio, audioNowBody}
	rtc, voice, stopAll := drive{byRTC, rtcBody}, drive{byVoice, taskBody}, drive{interrupt, taskBody}
	for _, tt := range []struct {
		name   string
		drives []drive
		checks []check
	}{
		{"one", []drive{text}, []check{{0, []int{2}}, {999 * time.Millisecond, []int{2}}, {time.Second, []int{4}}}},
		{
			"queue",
			[]drive{text, audio, text},
			[]check{{0, []int{2, 1, 1}}, {time.Second, []int{4, 2, 1}}, {6 * time.Second, []int{4, 4, 2}}, {7 * time.Second, []int{4, 4, 4}}},
		},
		{"first call after several changes", []drive{text, audio, text}, []check{{6500 * time.Millisecond, []int{4, 4, 2}}}},
		{
			"interrupting keeps the queue",
			[]drive{text, text, audioNow},
			[]check{{0, []int{5, 1, 2}}, {5 * time.Second, []int{5, 2, 4}}, {6 * time.Second, []int{5, 4, 4}}},
		},
		{"interrupting when idle", []drive{audioNow}, []check{{0, []int{2}}, {5 * time.Second, []int{4}}}},
		{"RTC discards the queue and does not end", []drive{text, text, rtc}, []check{{0, []int{5, 5, 2}}, {14 * time.Minute, []int{5, 5, 2}}}},
		{"text waits for RTC", []drive{rtc, text}, []check{{time.Minute, []int{2, 1}}}},
		{"RTC is interrupted", []drive{rtc, audioNow}, []check{{0, []int{5, 2}}}},
		{"RTC again", []drive{rtc, rtc}, []check{{0, []int{5, 2}}}},
		{
			"voice discards the queue and waits ten minutes",
			[]drive{text, text, voice, text},
			[]check{{0, []int{5, 5, 1, 1}}, {10*time.Minute - 1, []int{5, 5, 1, 1}}, {10 * time.Minute, []int{5, 5, 5, 2}}, {10*time.Minute + time.Second, []int{5, 5, 5, 4}}},
		},
		{"voice is interrupted", []drive{voice, audioNow}, []check{{0, []int{5, 2}}}},
		{"interrupt", []drive{text, text, stopAll}, []check{{0, []int{5, 5}}, {time.Minute, []int{5, 5}}}},
		{"interrupt, then another drive", []drive{text, stopAll, text}, []check{{0, []int{5, 2}}, {time.Second, []int{5, 4}}}},
		{"interrupt when idle", []drive{text, stopAll, stopAll}, []check{{0, []int{5}}}},
		{"stop", []drive{text, text, {stop, taskBody}}, []check{{0, []int{5, 5}}, {time.Minute, []int{5, 5}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, &zegosim.Server{})
			ts.createStreaming(createBody)
			for _, d := range tt.drives {
				ts.mustCall(d.action, d.body)
			}
			for _, check := range tt.checks {
				ts.setClock(10*time.Second + check.after)
				ts.wantDrives(check.want...)
			}
		})
	}
}

func TestSpeechDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		rate int
		want time.Duration
	}{
		{strings.Repeat("a", 150), 0, 10 * time.Second},
		{strings.Repeat("知", 50), 0, 10 * time.Second},
		{strings.Repeat("知", 25) + strings.Repeat("a", 75), 0, 10 * time.Second},
		{strings.Repeat("a", 150), 500, 5 * time.Second},
		{strings.Repeat("a", 150), -500, 20 * time.Second},
	} {
		ts := newTestServer(t, &zegosim.Server{})
		ts.createStreaming(createBody)
		ts.mustCall(byText, fmt.Sprintf(`{"TaskId":%q,"Text":%q,"TTSConfig":{"TimbreId":%q,"SpeechRate":%d}}`, firstTask, tt.text, publicTimbre, tt.rate))
		ts.setClock(10*time.Second + tt.want - time.Millisecond)
		ts.wantDrives(2)
		ts.setClock(10*time.Second + tt.want + time.Millisecond)
		ts.wantDrives(4)
	}
}

// TestDriveFails lets the second drive fail when its turn comes.
func TestDriveFails(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{Fault: func(action string, call int) *zegosim.Fault {
		return &zegosim.Fault{FailDrive: action == byAudio && call == 1}
	}})
	ts.createStreaming(createBody)
	ts.mustCall(byText, textBody)
	ts.mustCall(byAudio, audioBody)
	ts.mustCall(byText, textBody)
	ts.wantDrives(2, 1, 1)
	ts.setClock(11 * time.Second)
	ts.wantDrives(4, 3, 2)
}

func TestManyDrives(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	ts.createStreaming(createBody)
	first := ts.mustCall(byText, textBody).DriveID
	for range 299 {
		ts.mustCall(byAudio, audioBody)
	}
	ts.wantCode(byAudio, audioBody, zego.CodeSystemBusy)
	ts.mustCall(byAudio, audioNowBody) // the first is over, and is forgotten for it
	ts.wantCode(drives, `{"DriveId":"`+first+`"}`, zego.CodeTaskNotFound)
	got := ts.driveStatuses()
	if len(got) != 300 || got[0] != 1 || got[299] != 2 {
		t.Errorf("got %d drives: %v, want 300, the last with its turn", len(got), slices.Compact(got))
	}
	ts.mustCall(interrupt, taskBody)
	ts.mustCall(byText, textBody)
	if got := ts.driveStatuses(); len(got) != 300 || got[299] != 2 {
		t.Errorf("got %d drives: %v, want 300, the last with its turn", len(got), slices.Compact(got))
	}
}
