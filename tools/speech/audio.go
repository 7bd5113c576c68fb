package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// headSize is how many bytes of an audio file are read to learn its length.
	headSize = 16 << 10
	// fetchTimeout bounds each request for a part of a file.
	fetchTimeout = 3 * time.Second
)

// RemoteLength returns the length of a WAV or MP3 file on the web. It reads at most 32 KiB of
// the file, and takes at most 6 seconds. It reports false if it cannot read them, or if they do
// not tell the length. The caller chooses the client,
// because a URL that a model has passed must not lead to machines of this network.
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
// is the number of bytes of the whole file, or -1 if the server does not tell it.
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

// AudioLength returns the length of a WAV or MP3 file. head is the beginning of the file, of
// which 16 KiB are usually enough. size is the number of bytes of the whole file, or -1 if that
// is not known. AudioLength reports false if they do not tell the length.
func AudioLength(head []byte, size int64) (time.Duration, bool) {
	if bytes.HasPrefix(head, []byte("RIFF")) {
		return wavLength(head, size)
	}
	return mp3Length(head, size)
}

// wavLength returns the length of a WAV file of any format, from its chunks: "fmt " has the
// bytes per second, and "data" the audio.
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
			// The length in the header is too large if the file was written as a stream, because
			// the program that began to write it did not know the length.
			return lengthAt(min(length, size-at), bytesPerSecond), true
		}
		at += length + length%2
	}
	return 0, false
}

// lengthAt returns how long audio of size bytes is.
func lengthAt(size, bytesPerSecond int64) time.Duration {
	return time.Duration(float64(size) / float64(bytesPerSecond) * float64(time.Second))
}

// id3Size returns the size in bytes of the ID3 tag at the beginning of an MP3 file, or 0 if
// there is none.
func id3Size(head []byte) int64 {
	const header = 10
	if len(head) < header || !bytes.HasPrefix(head, []byte("ID3")) {
		return 0
	}
	size := int64(0)
	for _, b := range head[6:header] { // Only the lower 7 bits of each byte belong to the size.
		size = size<<7 | int64(b&0x7f)
	}
	return header + size
}

// mp3Length returns the length of an MP3 file. If the first frame tells the number of frames,
// the length follows from it. Otherwise the bit rate of the first frame is taken to be that
// of all frames.
func mp3Length(head []byte, size int64) (time.Duration, bool) {
	tag := id3Size(head)
	for at := tag; at+4 <= int64(len(head)); at++ {
		first, ok := parseFrame(binary.BigEndian.Uint32(head[at:]))
		if !ok {
			continue
		}
		if frames := frameCount(head[at:], first); frames > 0 {
			seconds := float64(frames) * float64(first.samples) / float64(first.sampleRate)
			return time.Duration(seconds * float64(time.Second)), true
		}
		return lengthAt(size-at, first.bitRate/8), size > at
	}
	return 0, false
}

// frame is the header of an MP3 frame.
type frame struct {
	bitRate    int64 // In bits per second.
	sampleRate int   // In Hz.
	samples    int   // Of each channel, in one frame.
	xingOffset int   // Where in the first frame the Xing header stands, if the frame has one.
}

// bitRates are the bit rates of layer III in kbit/s: of MPEG 1, and of MPEG 2 and 2.5.
var bitRates = [2][16]int64{
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
}

// parseFrame reads the header of a frame of layer III. It reports false if header is none. The
// bits of a header are, from the highest one: 11 that are set, 2 version, 2 layer, 1 checksum,
// 4 bit rate, 2 sample rate, 1 padding, 1 private, 2 channel mode; the others do not matter
// here.
func parseFrame(header uint32) (frame, bool) {
	const layerIII, mpeg1, noVersion, mpeg25, noRate, mono = 1, 3, 1, 0, 3, 3
	version, layer, bitRate := header>>19&3, header>>17&3, header>>12&15
	rate, mode := header>>10&3, header>>6&3
	if header>>21 != 0x7ff || version == noVersion || layer != layerIII || rate == noRate {
		return frame{}, false
	}
	// The Xing header follows the 4 bytes of this header and the side information of the frame.
	const headerSize = 4
	f := frame{bitRate: 1000 * bitRates[0][bitRate], sampleRate: []int{44100, 48000, 32000}[rate], samples: 1152, xingOffset: headerSize + 32}
	if mode == mono {
		f.xingOffset = headerSize + 17
	}
	if version != mpeg1 {
		f.bitRate = 1000 * bitRates[1][bitRate]
		f.sampleRate, f.samples = f.sampleRate/2, 576
		f.xingOffset = headerSize + 17
		if mode == mono {
			f.xingOffset = headerSize + 9
		}
	}
	if version == mpeg25 {
		f.sampleRate /= 2
	}
	return f, f.bitRate > 0
}

// frameCount returns the number of frames in the file that its first frame tells, or 0. The
// frame tells it in a Xing header (name, flags of which the lowest says that the number is
// there, number: 4 bytes each), or in a VBRI header (name, 10 bytes of other things, number).
func frameCount(data []byte, first frame) uint32 {
	if xing := data[min(first.xingOffset, len(data)):]; len(xing) >= 12 {
		name := string(xing[:4])
		hasFrames := xing[7]&1 != 0
		if (name == "Xing" || name == "Info") && hasFrames {
			return binary.BigEndian.Uint32(xing[8:])
		}
	}
	const vbriOffset = 4 + 32
	if vbri := data[min(vbriOffset, len(data)):]; len(vbri) >= 18 && string(vbri[:4]) == "VBRI" {
		return binary.BigEndian.Uint32(vbri[14:])
	}
	return 0
}
