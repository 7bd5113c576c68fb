package zego_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// This example talks to a simulator. To talk to ZEGO, leave Endpoint out, and take the
// AppID and the ServerSecret of your project from the ZEGOCLOUD console.
func Example() {
	simulator := httptest.NewServer(&zegosim.Server{})
	defer simulator.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: simulator.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	page, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(2)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, human := range page.DigitalHumans {
		fmt.Println(human.Name)
	}
	fmt.Println("of", page.Total)

	_, err = client.GetDigitalHuman(ctx, "unknown-id")
	if errors.Is(err, zego.CodeDigitalHumanNotFound) {
		fmt.Println("there is no digital human with this id")
	}
	// Output:
	// 知小白
	// Sophia
	// of 64
	// there is no digital human with this id
}

// This example looks up until when a program may keep the URL of a digital human's picture.
func ExampleClient_GetDigitalHuman() {
	simulator := httptest.NewServer(&zegosim.Server{})
	defer simulator.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: simulator.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	human, err := client.GetDigitalHuman(context.Background(), zegosim.DefaultHumans()[0].ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	until := human.At.Add(zego.AvatarURLLifetime)
	fmt.Println("the picture of", human.Name, "can be fetched for", time.Until(until).Round(time.Hour))
	// Output: the picture of 知小白 can be fetched for 24h0m0s
}

// This example reads all pages of the project's own digital humans.
func ExampleClient_AllDigitalHumans() {
	simulator := httptest.NewServer(&zegosim.Server{})
	defer simulator.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: simulator.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	private := 0
	for human, err := range client.AllDigitalHumans(context.Background(), zego.FetchPrivate) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if !human.IsPublic {
			private++
		}
	}
	fmt.Println(private, "private digital humans")
	// Output: 16 private digital humans
}

// This example puts a digital human on a stream, makes it speak, and stops the stream.
func ExampleClient_CreateStreamTask() {
	simulator := httptest.NewServer(&zegosim.Server{StartDelay: -1})
	defer simulator.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: simulator.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	humans, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	timbres, err := client.ListTimbres(ctx, zego.ListTimbresRequest{Limit: new(1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	created, err := client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: humans.DigitalHumans[0].ID},
		RTCConfig:          zego.RTCConfig{RoomID: "studio", StreamID: "evening-news"},
		TTL:                new(600), // Seconds. Without it, the stream is billed for a day.
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _, _ = client.StopStreamTask(ctx, created.TaskID) }()
	task, err := client.WaitStreamTask(ctx, created.TaskID, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Status)
	_, err = client.DriveByText(ctx, zego.DriveByTextRequest{
		TaskID: created.TaskID, Text: "Good evening.", TTSConfig: zego.TTSConfig{TimbreID: timbres.Timbres[0].ID},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: streaming
}

// This example speaks half a second of silence, in place of the audio of a text-to-speech
// service.
func ExampleClient_Speak() {
	simulator := &zegosim.Server{StartDelay: -1}
	defer func() { _ = simulator.Close() }() // Ends what takes the audio.
	server := httptest.NewServer(simulator)
	defer server.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	created, err := client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: zegosim.DefaultHumans()[0].ID},
		RTCConfig:          zego.RTCConfig{RoomID: "studio", StreamID: "weather"},
		TTL:                new(600),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _, _ = client.StopStreamTask(ctx, created.TaskID) }()
	if _, err := client.WaitStreamTask(ctx, created.TaskID, nil); err != nil {
		fmt.Println(err)
		return
	}
	audio := make([]byte, 24000) // 16-bit samples: 12000 of them are half a second.
	spoken, err := client.Speak(ctx, created.TaskID, zego.PCM{Reader: bytes.NewReader(audio), SampleRate: 24000})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent", spoken.Length)
	// Output: sent 500ms
}

// This example takes the callbacks that ZEGO support has registered for
// https://zego.example.com/callbacks.
func ExampleCallbackHandler() {
	handler := zego.CallbackHandler("the callback secret of the project", func(_ context.Context, e zego.Event) error {
		if e.Drive != nil {
			fmt.Println("drive", e.Drive.DriveID, "is", e.Drive.Status)
		}
		return nil
	})
	http.Handle("/callbacks", handler)

	// Whoever does not know the secret is refused.
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/callbacks", http.NoBody))
	fmt.Println(answer.Code)
	// Output: 400
}

// This example makes a token with which one viewer may log in to a room for ten minutes. The
// viewer's page gives it to ZEGO's SDK; the ServerSecret stays on the server.
func ExampleClient_NewViewerToken() {
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := client.NewViewerToken(zego.ViewerTokenRequest{RoomID: "studio", UserID: "viewer-1", Lifetime: 10 * time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.AppID, token.Token[:2], time.Until(token.ExpiresAt).Round(time.Minute))
	// Output: 1234567890 04 10m0s
}
