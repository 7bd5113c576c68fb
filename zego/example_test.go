package zego_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// With an account, leave Endpoint out and take AppID and ServerSecret from the
// ZEGOCLOUD console.
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

	_, err = client.GetDigitalHuman(ctx, "nobody")
	fmt.Println(errors.Is(err, zego.CodeDigitalHumanNotFound))
	// Output:
	// 知小白
	// Sophia
	// of 64
	// true
}

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
	fmt.Println(private, "digital humans of our own")
	// Output: 16 digital humans of our own
}

// Puts a digital human on a stream, makes it speak, and stops it.
func ExampleClient_CreateStreamTask() {
	simulator := httptest.NewServer(&zegosim.Server{StartDelay: -1})
	defer simulator.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: simulator.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	human, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	voices, err := client.ListTimbres(ctx, zego.ListTimbresRequest{Limit: new(1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	task, err := client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: human.DigitalHumans[0].ID},
		RTCConfig:          zego.RTCConfig{RoomID: "studio", StreamID: "evening-news"},
		TTL:                new(600),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _, _ = client.StopStreamTask(ctx, task.TaskID) }()
	running, err := client.WaitStreamTask(ctx, task.TaskID, nil)
	fmt.Println(running.Status, err)
	_, err = client.DriveByText(ctx, zego.DriveByTextRequest{
		TaskID: task.TaskID, Text: "Good evening.", TTSConfig: zego.TTSConfig{TimbreID: voices.Timbres[0].ID},
	})
	fmt.Println(err)
	// Output:
	// streaming <nil>
	// <nil>
}
