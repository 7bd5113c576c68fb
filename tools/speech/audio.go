package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// headSize is how many bytes of an audio file are read to learn its length.
	headSize = 16 << 10
	// fetchTimeout bounds one request for them.
	fetchTimeout = 3 * time.Second
)

// RemoteLength returns the length of a WAV or MP3 file on the web. It reads the beginning of
// the file. It reports false if that does not tell the length.
func RemoteLength(ctx context.Context, client *http.Client, url string) (time.Duration, bool) {
	head, size, err := fetch(ctx, client, url, 0)
	if err != nil {
		return 0, false
	}
	if tag := id3Size(head); tag > int64(len(head)) && tag < size {
		// The tag before the audio is large, because it holds a picture.
		if head, _, err = fetch(ctx, client, url, tag); err != nil {
			return 0, false
		}
		size -= tag
	}
	return AudioLength(head, size)
}

// fetch reads headSize bytes of a file on the web from an offset on, or fewer at its end. size
// is that of the whole file.
func fetch(ctx context.Context, client *http.Client, url string, offset int64) (part []byte, size int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+headSize-1))
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		_, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
		size, err = strconv.ParseInt(total, 10, 64)
	case resp.StatusCode == http.StatusOK && offset == 0:
		size = resp.ContentLength
	default:
		err = fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	if err != nil {
		return nil, 0, err
	}
	part, err = io.ReadAll(io.LimitReader(resp.Body, headSize))
	return part, size, err
}

// PublicClient returns an HTTP client that connects only to addresses of the internet, so that
// a URL which an agent was told cannot make this server ask machines of its own network.
func PublicClient() *http.Client {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !isPublic(to.Addr().Unmap()) {
			return errors.New("not an address of the internet")
		}
		return nil
	}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

// sharedAddresses are the addresses behind the NAT of a provider (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedAddresses.Contains(a)
}

// AudioLength returns the length of a WAV or MP3 file. head is its beginning, and size its
// number of bytes. It reports false if they do not tell the length.
func AudioLength(head []byte, size int64) (time.Duration, bool) {
	if bytes.HasPrefix(head, []byte("RIFF")) {
		return wavLength(head, size)
	}
	return mp3Length(head, size)
}

// wavLength returns the length of a WAV file of any format.
func wavLength(head []byte, size int64) (time.Duration, bool) {
	const fileHeader, chunkHeader = 12, 8
	var bytesPerSecond int64
	for at := int64(fileHeader); at+chunkHeader <= int64(len(head)); {
		name, length := string(head[at:at+4]), int64(binary.LittleEndian.Uint32(head[at+4:]))
		at += chunkHeader
		switch {
		case name == "fmt " && at+12 <= int64(len(head)):
			bytesPerSecond = int64(binary.LittleEndian.Uint32(head[at+8:]))
		case name == "data" && bytesPerSecond > 0 && size > at:
			// A program that wrote the file as a stream did not know the length.
			return lengthAt(min(length, size-at), bytesPerSecond), true
		}
		at += length + length%2
	}
	return 0, false
}

func lengthAt(size, bytesPerSecond int64) time.Duration {
	return time.Duration(float64(size) / float64(bytesPerSecond) * float64(time.Second))
}

// id3Size returns the size of the ID3 tag at the beginning of an MP3 file, or 0.
func id3Size(head []byte) int64 {
	const header = 10
	if len(head) < header || !bytes.HasPrefix(head, []byte("ID3")) {
		return 0
	}
	size := int64(0)
	for _, b := range head[6:header] { // 7 bits of each byte count.
		size = size<<7 | int64(b&0x7f)
	}
	return header + size
}

// mp3Length returns the length of an MP3 file: from the number of its frames if the first
// frame tells that, and otherwise from its bit rate, which is taken to be constant.
func mp3Length(head []byte, size int64) (time.Duration, bool) {
	tag := id3Size(head)
	for at := tag; at+4 <= int64(len(head)); at++ {
		frame, ok := parseFrame(binary.BigEndian.Uint32(head[at:]))
		if !ok {
			continue
		}
		if frames := frameCount(head[at:], frame); frames > 0 {
			return time.Duration(float64(frames) * float64(frame.samples) / float64(frame.sampleRate) * float64(time.Second)), true
		}
		return lengthAt(size-at, frame.bitRate/8), size > at
	}
	return 0, false
}

// frame is the header of an MP3 frame.
type frame struct {
	bitRate    int64 // In bits per second.
	sampleRate int
	samples    int // In the frame.
	xing       int // Where a header with the number of frames can stand.
}

// The bit rates of layer III in kbit/s, of MPEG 1 and of MPEG 2.
var bitRates = [2][16]int64{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
}

// parseFrame reads the header of a frame of layer III. It reports false if it is none.
func parseFrame(header uint32) (frame, bool) {
	version, layer := header>>19&3, header>>17&3 // Version: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5.
	rate, mono := header>>10&3, header>>6&3 == 3
	const layerIII = 1
	if header>>21 != 0x7ff || version == 1 || layer != layerIII || rate == 3 {
		return frame{}, false
	}
	f := frame{bitRate: 1000 * bitRates[0][header>>12&15], sampleRate: []int{44100, 48000, 32000}[rate], samples: 1152, xing: 4 + 32}
	if mono {
		f.xing = 4 + 17
	}
	if version != 3 {
		f.bitRate = 1000 * bitRates[1][header>>12&15]
		f.sampleRate, f.samples = f.sampleRate/2, 576
		f.xing = 4 + 17
		if mono {
			f.xing = 4 + 9
		}
	}
	if version == 0 {
		f.sampleRate /= 2
	}
	return f, f.bitRate > 0
}

// frameCount returns the number of frames that the first frame of a file tells, or 0.
func frameCount(text []byte, f frame) uint32 {
	const vbri = 4 + 32
	if len(text) >= f.xing+12 {
		name := string(text[f.xing : f.xing+4])
		hasFrames := text[f.xing+7]&1 != 0
		if (name == "Xing" || name == "Info") && hasFrames {
			return binary.BigEndian.Uint32(text[f.xing+8:])
		}
	}
	if len(text) >= vbri+18 && string(text[vbri:vbri+4]) == "VBRI" {
		return binary.BigEndian.Uint32(text[vbri+14:])
	}
	return 0
}
