package zego_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
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
