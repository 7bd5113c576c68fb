package tools_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// wavFile returns a WAV file of 16-bit mono audio at 24000 Hz, whose header says that there
// are declaredSize bytes of audio.
func wavFile(audio []byte, declaredSize int) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF....WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(24000), uint32(48000), uint16(2), uint16(16)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(declaredSize))
	b.Write(audio)
	return b.Bytes()
}

// writeFile writes a file and creates its directory.
func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAudioFile speaks files under several paths, and checks what the simulator heard.
func TestAudioFile(t *testing.T) {
	t.Parallel()
	dir, second := t.TempDir(), t.TempDir()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir, second}}, streams.Options{})
	task := s.createTask(t, ``)
	audio := bytes.Repeat([]byte{1, 2}, 6001)
	writeFile(t, filepath.Join(dir, "a.wav"), wavFile(audio, len(audio)))
	writeFile(t, filepath.Join(dir, "sub", "b.PCM"), audio)
	writeFile(t, filepath.Join(second, "c.wav"), wavFile(audio, 0xffffffff))
	if err := os.Symlink("a.wav", filepath.Join(dir, "inside.wav")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]zegosim.VoiceInfo{
		"a.wav": {SampleRate: 24000, Channels: 1}, filepath.Join(dir, "a.wav"): {SampleRate: 24000, Channels: 1},
		"inside.wav": {SampleRate: 24000, Channels: 1}, "sub/../a.wav": {SampleRate: 24000, Channels: 1},
		"sub/b.PCM": {SampleRate: 16000, Channels: 1}, "c.wav": {SampleRate: 24000, Channels: 1},
	} {
		got := s.mustCall(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":%q}`, task, path))
		voice, ok := s.sim.Voice(got["DriveId"].(string))
		want.Bytes, want.SHA256, want.Started, want.Stopped = int64(len(audio)), sha256.Sum256(audio), true, true
		if diff := cmp.Diff(want, voice); !ok || diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if want := float64(len(audio)) / float64(2*voice.SampleRate); got["Seconds"].(float64)-want > 0.001 || want-got["Seconds"].(float64) > 0.001 {
			t.Errorf("%s: %v seconds, want %v", path, got["Seconds"], want)
		}
	}
	got := s.mustCall(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":"sub/b.PCM","SampleRate":24000,"Channel":2,"VoiceChannel":2}`, task))
	if seconds := got["Seconds"].(float64); math.Abs(seconds-float64(len(audio))/(24000*2*2)) > 0.001 {
		t.Errorf("two channels: %v seconds", seconds)
	}
	if voice, _ := s.sim.Voice(got["DriveId"].(string)); voice.SampleRate != 24000 || voice.Channels != 2 || voice.VoiceChannel != 2 {
		t.Errorf("got %+v", voice)
	}
}

func TestBadAudioFiles(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
	good := wavFile(make([]byte, 100), 100)
	writeFile(t, filepath.Join(outside, "secret.wav"), good)
	writeFile(t, filepath.Join(dir, "empty.wav"), nil)
	writeFile(t, filepath.Join(dir, "text.wav"), []byte("this is no audio at all, but some words"))
	writeFile(t, filepath.Join(dir, "header.wav"), append([]byte("RIFF....WAVEfmt \x04\x00\x00\x00abcd"), good...))
	writeFile(t, filepath.Join(dir, "silent.wav"), wavFile(nil, 0))
	writeFile(t, filepath.Join(dir, "cut.wav"), wavFile(make([]byte, 100), 48000))
	writeFile(t, filepath.Join(dir, "empty.pcm"), nil)
	writeFile(t, filepath.Join(dir, "good.pcm"), make([]byte, 100))
	writeFile(t, filepath.Join(dir, "good.wav"), good)
	huge := filepath.Join(dir, "huge.wav")
	writeFile(t, huge, wavFile(nil, 200<<20))
	if err := os.Truncate(huge, 200<<20+44); err != nil { // Sparse: it takes no space on the disk.
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link.wav": filepath.Join(outside, "secret.wav"), "up": "..", "relative.wav": "../" + filepath.Base(outside) + "/secret.wav"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := s.requestCount()
	for _, tt := range []struct{ path, more, want string }{
		{"../" + filepath.Base(outside) + "/secret.wav", ``, "Path must lie below a directory that the operator allowed (" + dir + ")"},
		{filepath.Join(outside, "secret.wav"), ``, "Path must lie below"},
		{"/etc/passwd", ``, "Path must lie below"},
		{dir + "/../" + filepath.Base(outside) + "/secret.wav", ``, "Path must lie below"},
		{dir + "x/secret.wav", ``, "Path must lie below"},
		{"link.wav", ``, "Path must lie below"},
		{"relative.wav", ``, "Path must lie below"},
		{"up/" + filepath.Base(outside) + "/secret.wav", ``, "Path must lie below"},
		{"missing.wav", ``, "no such file"},
		{".", ``, "no regular file"},
		{"empty.wav", ``, "it is too short"},
		{"text.wav", ``, "does not begin with RIFF"},
		{"header.wav", ``, "format block has 4 bytes"},
		{"silent.wav", ``, "no audio in the file"},
		{"cut.wav", ``, "cut off: its header promises 1s of audio, 2ms are there"},
		{"empty.pcm", ``, "no audio in the file"},
		{"huge.wav", ``, "1h12m49s of audio; one call takes at most 10m0s"},
		{"good.pcm", `,"SampleRate":22050`, "SampleRate must be 16000 or 24000, got 22050"},
		{"good.wav", `,"SampleRate":16000`, "are for .pcm files"},
	} {
		s.mustFail(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":"x","Path":%q%s}`, tt.path, tt.more), tt.want)
	}
	if s.requestCount() != before {
		t.Error("ZEGO was called for a bad file")
	}
	longest := filepath.Join(dir, "longest.pcm")
	writeFile(t, longest, nil)
	if err := os.Truncate(longest, 600*2*16000); err != nil {
		t.Fatal(err)
	}
	s.mustFail(t, "drive_by_audio_file", `{"TaskId":"x","Path":"longest.pcm"}`, "400000005") // The file is good.
	noDirs := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	noDirs.mustFail(t, "drive_by_audio_file", `{"TaskId":"x","Path":"a.wav"}`, "No directory is allowed", "--audio-dir")
}

// TestAudioConnectionFaults lets the WebSocket connection for the audio fail.
func TestAudioConnectionFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	audio := make([]byte, 48000)
	writeFile(t, filepath.Join(dir, "a.wav"), wavFile(audio, len(audio)))
	for name, tt := range map[string]struct {
		fault zegosim.VoiceFault
		want  string // In the text of the error; empty if the call succeeds.
	}{
		"refuses":             {zegosim.VoiceFault{RefuseStatus: 503}, "refused: HTTP 503"},
		"drops during speech": {zegosim.VoiceFault{DropAfter: 10000}, "the audio connection broke"},
		"floods":              {zegosim.VoiceFault{Flood: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, &zegosim.Server{NoDriveStatus: true, VoiceFault: func(string) *zegosim.VoiceFault { return &tt.fault }}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
			task := s.createTask(t, ``)
			arguments := fmt.Sprintf(`{"TaskId":%q,"Path":"a.wav"}`, task)
			if tt.want == "" {
				s.mustCall(t, "drive_by_audio_file", arguments)
				return
			}
			s.mustFail(t, "drive_by_audio_file", arguments, tt.want, "The speech broke off after", "get_stream_task")
			if got := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task)); got["Speaking"] != false {
				t.Errorf("after the speech has broken off: got %v", got)
			}
			if strings.Contains(s.logText(), "Token=") {
				t.Errorf("the log holds a token: %s", s.logText())
			}
		})
	}
}
