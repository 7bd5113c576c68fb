package speech_test

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"zego-mcp/tools/speech"
)

// wav returns a WAV file with seconds of audio, whose header says how many bytes there are.
func wav(seconds int, declared uint32) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF....WAVELIST")
	_ = binary.Write(&b, binary.LittleEndian, uint32(3))
	b.WriteString("abc\x00fmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(2), uint32(44100), uint32(176400), uint16(4), uint16(16)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, declared)
	b.Write(make([]byte, seconds*176400))
	return b.Bytes()
}

// mp3 returns an MP3 file: a tag, and then 100 frames of 128 kbit/s with 44100 Hz. With info
// the first frame tells how many there are.
func mp3(tag int, info bool) []byte {
	const frames = 100
	var b bytes.Buffer
	if tag > 0 {
		b.WriteString("ID3\x04\x00\x00")
		b.Write([]byte{byte(tag >> 21 & 127), byte(tag >> 14 & 127), byte(tag >> 7 & 127), byte(tag & 127)})
		b.Write(make([]byte, tag))
	}
	for i := range frames {
		frame := make([]byte, 417)
		copy(frame, "\xff\xfb\x90\x00")
		if info && i == 0 {
			copy(frame[36:], "Info\x00\x00\x00\x01")
			binary.BigEndian.PutUint32(frame[44:], frames)
		}
		b.Write(frame)
	}
	return b.Bytes()
}

// audioFiles are files and their lengths; 0 if they do not tell it.
var audioFiles = map[string]struct {
	file []byte
	want time.Duration
}{
	"WAV":                     {wav(4, 4*176400), 4 * time.Second},
	"WAV of a stream":         {wav(4, 0xffffffff), 4 * time.Second},
	"MP3":                     {mp3(0, false), 2612 * time.Millisecond},
	"MP3 with a tag":          {mp3(1000, false), 2612 * time.Millisecond},
	"MP3 with a picture":      {mp3(100000, false), 2612 * time.Millisecond},
	"MP3 that tells its size": {mp3(1000, true), 2612 * time.Millisecond},
	"text":                    {[]byte("This is no audio at all."), 0},
	"nothing":                 {nil, 0},
	"only RIFF":               {[]byte("RIFF"), 0},
	"only ID3":                {[]byte("ID3"), 0},
}

func TestAudioLength(t *testing.T) {
	t.Parallel()
	for name, tt := range audioFiles {
		got, ok := speech.AudioLength(tt.file, int64(len(tt.file)))
		if ok != (tt.want > 0) || (got-tt.want).Abs() > 20*time.Millisecond {
			t.Errorf("%s: got %v, %t, want %v", name, got, ok, tt.want)
		}
	}
}

// TestRemoteLength serves the files, with and without ranges. Little of them may be read.
func TestRemoteLength(t *testing.T) {
	t.Parallel()
	for _, ranges := range []bool{true, false} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !ranges {
				r.Header.Del("Range")
			}
			file, ok := audioFiles[strings.TrimPrefix(r.URL.Path, "/")]
			if !ok {
				http.NotFound(w, r)
				return
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.file))
		}))
		defer srv.Close()
		for name, tt := range audioFiles {
			want := tt.want
			if !ranges && name == "MP3 with a picture" {
				want = 0
			}
			got, ok := speech.RemoteLength(t.Context(), srv.Client(), srv.URL+"/"+strings.ReplaceAll(name, " ", "%20"))
			if ok != (want > 0) || (got-want).Abs() > 20*time.Millisecond {
				t.Errorf("%s, ranges %t: got %v, %t, want %v", name, ranges, got, ok, want)
			}
		}
		if _, ok := speech.RemoteLength(t.Context(), srv.Client(), srv.URL+"/missing"); ok {
			t.Error("a missing file has a length")
		}
	}
}

func FuzzAudioLength(f *testing.F) {
	for _, tt := range audioFiles {
		f.Add(tt.file[:min(len(tt.file), 2000)], int64(len(tt.file)))
	}
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		if got, ok := speech.AudioLength(head, size); ok && got < 0 {
			t.Errorf("got %v", got)
		}
	})
}
