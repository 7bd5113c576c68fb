package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

type driveByAudioFileInput struct {
	TaskID       string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	Path         string `json:"Path" jsonschema:"minLength=1,maxLength=4096" jsonschema_description:"WAV file (16-bit PCM, 16000 or 24000 Hz), or raw PCM of that kind in a .pcm file; below a directory that the operator allowed"`
	SampleRate   *int   `json:"SampleRate,omitempty" jsonschema:"minimum=16000,maximum=24000,default=16000" jsonschema_description:"Of a .pcm file: 16000 (default) or 24000"`
	Channel      *int   `json:"Channel,omitempty" jsonschema:"minimum=1,maximum=2,default=1" jsonschema_description:"Channels of a .pcm file: 1 (default) or 2"`
	VoiceChannel *int   `json:"VoiceChannel,omitempty" jsonschema:"minimum=0,maximum=2,default=0" jsonschema_description:"Where the voice is in two channels: 0 mixed (default), 1 left, 2 right"`

	InterruptMode *int `json:"InterruptMode,omitempty" jsonschema:"minimum=0,maximum=1,default=0" jsonschema_description:"0: after what is being said (default); 1: cut that off"`
}

type driveByAudioFileOutput struct {
	driveOutput
	Seconds float64 `json:"Seconds" jsonschema_description:"How long the audio is"`
}

// maxAudio bounds the audio of one call, because the call lasts as long as the audio.
const maxAudio = 10 * time.Minute

var driveByAudioFile = tool[driveByAudioFileInput, driveByAudioFileOutput]{
	name:        "drive_by_audio_file",
	title:       "Speak an audio file of this machine",
	description: "Make the digital human of a running stream task speak an audio file of this machine, at most 10 minutes. The call lasts as long as the audio. For a file on the web: drive_by_audio.",
	toolset:     Streaming,
	changes:     func(in driveByAudioFileInput) string { return in.TaskID },
	effect:      additive,
	advice:      taskAdvice,
	local:       true,
	ownTimeout:  true,
	run: func(ctx context.Context, d deps, in driveByAudioFileInput) (driveByAudioFileOutput, error) {
		file, err := openBelow(d.audioDirs, in.Path)
		if err != nil {
			return driveByAudioFileOutput{}, err
		}
		defer func() { _ = file.Close() }()
		audio, err := in.readAudio(file)
		if err != nil {
			return driveByAudioFileOutput{}, &toolError{reason: "audio file", text: "Path: " + err.Error()}
		}
		endTurn, err := d.takeTurn(ctx, in.TaskID, speech.CutsOffAll, in.InterruptMode)
		if err != nil {
			return driveByAudioFileOutput{}, err
		}
		defer endTurn()
		ctx, cancel := context.WithTimeout(ctx, d.timeout+audio.Length)
		defer cancel()
		sent, err := d.speak(ctx, in.TaskID, audio, endTurn)
		if err != nil {
			return driveByAudioFileOutput{}, err
		}
		d.answerBy = time.Now().Add(audioEnd)
		out, err := d.whenSpoken(ctx, sent, nil)
		return driveByAudioFileOutput{out, audio.Length.Seconds()}, err
	},
}

// audioEnd bounds how long a call waits for the end of the audio that it has sent.
const audioEnd = 10 * time.Second

// speak sends audio at speaking pace. It ends the turn when ZEGO has accepted the drive. When
// it returns, what was sent last is still being spoken.
func (d deps) speak(ctx context.Context, taskID string, audio zego.PCM, endTurn func()) (*speech.Speech, error) {
	start, drive := time.Now(), speech.Drive{Effect: speech.CutsOffAll, Estimate: speech.EstimateAudio(audio.Length)}
	audio.Accepted = func(accepted zego.Drive) {
		start, drive.Drive = time.Now(), accepted
		d.speech.Drove(taskID, drive)
		endTurn()
	}
	// Progress is called many times a second; the client is told once a second.
	total, reported := int(audio.Length.Seconds()), -1
	audio.Progress = func(sent time.Duration) {
		if done := int(sent.Seconds()); done > reported {
			reported = done
			d.progress(done, total, fmt.Sprintf("%d of %d seconds spoken", done, total))
		}
	}
	_, err := d.client.Speak(ctx, taskID, audio)
	if err != nil {
		if drive.ID != "" {
			d.speech.BrokeOff(taskID, drive.ID)
		}
		return nil, err
	}
	// If the network was slow, sending has taken longer than the audio is.
	drive.Estimate = speech.EstimateAudio(max(audio.Length, time.Since(start)+zego.MaxSpeechAhead))
	return d.speech.Drove(taskID, drive), nil
}

// readAudio reads the header of a file, if it has one, and checks that the audio after it
// can be sent. The file is then at the beginning of the audio.
func (in driveByAudioFileInput) readAudio(file *os.File) (zego.PCM, error) {
	audio, err := in.readFormat(file)
	if err != nil {
		return zego.PCM{}, err
	}
	if in.VoiceChannel != nil {
		audio.VoiceChannel = zego.VoiceChannel(*in.VoiceChannel)
	}
	if audio.Length, err = audioLength(file, audio); err != nil {
		return zego.PCM{}, err
	}
	if audio.Length > maxAudio {
		return zego.PCM{}, fmt.Errorf("the file holds %v of audio; one call takes at most %v, so cut it", audio.Length.Round(time.Second), maxAudio)
	}
	return audio, nil
}

// readFormat returns the format of the audio. That of a .pcm file comes from the arguments,
// that of a WAV file from its header.
func (in driveByAudioFileInput) readFormat(file *os.File) (zego.PCM, error) {
	if !strings.EqualFold(filepath.Ext(in.Path), ".pcm") {
		audio, err := zego.ReadWAV(file)
		if err != nil {
			return zego.PCM{}, withoutPath(err)
		}
		if in.SampleRate != nil || in.Channel != nil {
			return zego.PCM{}, errors.New("SampleRate and Channel are for .pcm files; a WAV file says them itself")
		}
		return audio, nil
	}
	audio := zego.PCM{Reader: file, SampleRate: 16000, Channels: 1}
	if in.SampleRate != nil {
		audio.SampleRate = *in.SampleRate
	}
	if in.Channel != nil {
		audio.Channels = *in.Channel
	}
	if audio.SampleRate != 16000 && audio.SampleRate != 24000 {
		return zego.PCM{}, fmt.Errorf("SampleRate must be 16000 or 24000, got %d", audio.SampleRate)
	}
	return audio, nil
}

// audioLength returns the length of audio, which begins at the current offset of file. It
// is the length in the WAV header, or else all that the file holds.
func audioLength(file *os.File, audio zego.PCM) (time.Duration, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, withoutPath(err)
	}
	offset, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, withoutPath(err)
	}
	const bytesPerSample = 2
	bytesPerSecond := int64(audio.SampleRate) * bytesPerSample * int64(audio.Channels)
	held := time.Duration(float64(info.Size()-offset) / float64(bytesPerSecond) * float64(time.Second))
	switch {
	case held <= 0:
		return 0, errors.New("there is no audio in the file")
	case audio.Length == 0: // A .pcm file, or a WAV header without a length.
		return held, nil
	case audio.Length > held+time.Millisecond:
		return 0, fmt.Errorf("the file is cut off: its header promises %v of audio, %v are there", audio.Length.Round(time.Millisecond), held.Round(time.Millisecond))
	}
	return audio.Length, nil
}

// openBelow opens a regular file that lies below one of dirs. It refuses a path on which a
// symbolic link leads out of the directory. A relative path is looked for in each of dirs.
func openBelow(dirs []string, path string) (*os.File, error) {
	if len(dirs) == 0 {
		return nil, &toolError{reason: "no audio directory", text: "No directory is allowed for audio files.\nWhat to do: Ask the user to start zego-mcp with --audio-dir DIR (or ZEGO_AUDIO_DIR), the directory that holds the audio."}
	}
	var failure error // Nil as long as path leads out of every directory.
	for _, dir := range dirs {
		local, ok := localPath(dir, path)
		if !ok {
			continue
		}
		file, err := openRegular(dir, local)
		switch {
		case err == nil:
			return file, nil
		case leadsOut(err):
		case failure == nil || !errors.Is(err, os.ErrNotExist):
			failure = err // Any other error says more than that the file does not exist.
		}
	}
	if failure == nil {
		return nil, &schema.ArgumentError{Problems: []string{
			fmt.Sprintf("Path must lie below a directory that the operator allowed (%s), got %q", strings.Join(dirs, ", "), path),
		}}
	}
	return nil, &toolError{reason: "audio file", text: fmt.Sprintf("Path %q cannot be read (the allowed directories: %s): %v", path, strings.Join(dirs, ", "), withoutPath(failure))}
}

// localPath returns path relative to dir. It reports false if path leads out of dir by its
// name alone; symbolic links are not looked at.
func localPath(dir, path string) (string, bool) {
	if filepath.IsAbs(path) {
		var err error
		if path, err = filepath.Rel(dir, path); err != nil {
			return "", false
		}
	}
	return path, filepath.IsLocal(path)
}

// leadsOut reports whether os.Root refused a path because a symbolic link leads out of its
// directory. Package os does not export that error.
func leadsOut(err error) bool { return strings.Contains(err.Error(), "escapes from parent") }

// openRegular opens a regular file in dir. It uses os.Root, which follows no symbolic link
// that leads out of dir.
func openRegular(dir, path string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the directory %s: %w", dir, withoutPath(err))
	}
	defer func() { _ = root.Close() }()
	// The check comes before the opening, because opening a pipe waits for its other end.
	info, err := root.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	return root.Open(path)
}

// withoutPath removes the path from an error of package os.
func withoutPath(err error) error {
	if wrapped, ok := errors.AsType[*os.PathError](err); ok {
		return wrapped.Err
	}
	return err
}
