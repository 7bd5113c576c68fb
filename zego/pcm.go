package zego

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// PCM is audio for Speak. The Reader gives raw samples of 16 bits, little-endian; if there
// are two channels, their samples alternate.
type PCM struct {
	io.Reader
	SampleRate   int          // In Hz, 16000 or 24000; default 16000.
	Channels     int          // 1 or 2; default 1.
	VoiceChannel VoiceChannel // Which of two channels has the voice; default MixedChannels.

	// Length is how long the audio is, or 0 if that is not known. ReadWAV sets it; Speak
	// does not need it.
	Length time.Duration
	// Accepted is called once, when ZEGO has accepted the drive and before any audio is sent,
	// unless it is nil. Speak waits for it.
	Accepted func(Drive)
	// Progress is called after each message with how much of the audio has been sent,
	// unless it is nil. Speak waits for it.
	Progress func(sent time.Duration)
}

func (p PCM) check() error {
	switch {
	case p.Reader == nil:
		return errors.New("the audio is empty")
	case p.sampleRate() != 16000 && p.sampleRate() != 24000:
		return fmt.Errorf("the audio's sample rate must be 16000 or 24000 Hz, got %d", p.SampleRate)
	case p.Channels < 0 || p.Channels > 2:
		return fmt.Errorf("the audio must have 1 or 2 channels, got %d", p.Channels)
	case p.VoiceChannel < 0 || p.VoiceChannel > 2:
		return fmt.Errorf("the voice channel must be from 0 to 2, got %d", p.VoiceChannel)
	}
	return nil
}

func (p PCM) sampleRate() int {
	if p.SampleRate == 0 {
		return 16000
	}
	return p.SampleRate
}

func (p PCM) bytesPerSecond() int64 { return int64(p.sampleRate()) * 2 * int64(max(p.Channels, 1)) }

func (p PCM) bytesIn(d time.Duration) int64 {
	return int64(d) * p.bytesPerSecond() / int64(time.Second)
}

func (p PCM) lengthOf(bytes int64) time.Duration {
	return time.Duration(bytes) * time.Second / time.Duration(p.bytesPerSecond())
}

// ReadWAV reads the header of a WAV file and returns the audio that follows, with its
// format and length. Audio that Speak cannot send is an error that says how to convert it:
// Speak takes uncompressed samples of 16 bits, 16000 or 24000 Hz, and 1 or 2 channels.
func ReadWAV(r io.Reader) (PCM, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil {
		return PCM{}, headerError(err, "is too short")
	}
	if string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return PCM{}, errors.New("not a WAV file: it does not begin with RIFF and WAVE" + convertHint)
	}
	var pcm PCM
	for range maxBlocks {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return PCM{}, headerError(err, "has no audio in it")
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "fmt ":
			if size < 16 || size > 1024 {
				return PCM{}, fmt.Errorf("not a WAV file that can be read: its format block has %d bytes", size)
			}
			format := make([]byte, size+size%2)
			if _, err := io.ReadFull(r, format); err != nil {
				return PCM{}, headerError(err, "breaks off in its header")
			}
			if err := pcm.setFormat(format); err != nil {
				return PCM{}, err
			}
		case "data":
			if pcm.SampleRate == 0 {
				return PCM{}, errors.New("not a WAV file that can be read: it has audio before its format")
			}
			pcm.Reader = r
			// A program that wrote to a pipe did not know the size, and wrote 0 or a
			// huge number.
			if size > 0 && size < 0xffffff00 {
				size -= size % (2 * int64(pcm.Channels))
				pcm.Reader, pcm.Length = io.LimitReader(r, size), pcm.lengthOf(size)
			}
			return pcm, nil
		default:
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
				return PCM{}, headerError(err, "breaks off in its header")
			}
		}
	}
	return PCM{}, errors.New("not a WAV file: it has no audio in it" + convertHint)
}

// maxBlocks bounds how many blocks of a file (RIFF calls them chunks) are read in search of
// its audio.
const maxBlocks = 1000

// convertHint ends an error about audio that ZEGO does not take.
const convertHint = "; convert it: ffmpeg -i IN -ar 24000 -ac 1 -c:a pcm_s16le out.wav"

// setFormat sets the sample rate and channels from the format block of a WAV file, which
// must have at least 16 bytes.
func (p *PCM) setFormat(format []byte) error {
	uint16At := func(offset int) int { return int(binary.LittleEndian.Uint16(format[offset:])) }
	kind, channels, bits := uint16At(0), uint16At(2), uint16At(14)
	rate := binary.LittleEndian.Uint32(format[4:])
	if kind == 0xfffe && len(format) >= 40 { // The extensible format has the kind in a GUID.
		pcmGUID := []byte("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71")
		if bytes.Equal(format[26:40], pcmGUID) {
			kind = uint16At(24)
		}
	}
	switch {
	case kind != 1: // 1 is PCM of integers.
		return fmt.Errorf("the WAV file's audio is compressed or not of integers (format %d); ZEGO takes PCM%s", kind, convertHint)
	case bits != 16:
		return fmt.Errorf("the WAV file's samples have %d bits; ZEGO takes 16%s", bits, convertHint)
	case rate != 16000 && rate != 24000:
		return fmt.Errorf("the WAV file's sample rate is %d Hz; ZEGO takes 16000 or 24000%s", rate, convertHint)
	case channels != 1 && channels != 2:
		return fmt.Errorf("the WAV file has %d channels; ZEGO takes 1 or 2%s", channels, convertHint)
	}
	p.SampleRate, p.Channels = int(rate), channels
	return nil
}

// headerError explains an error of reading the header: if the file ended, what is wrong
// with it.
func headerError(err error, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not a WAV file: it " + what)
	}
	return err
}
