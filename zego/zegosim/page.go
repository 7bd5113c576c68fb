package zegosim

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
)

// indexHead is the beginning of the page, which needs no internet: it refers to nothing but
// pictures of the Server.
const indexHead = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ZEGO simulator</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #223; background: #f6f7fa }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 1rem; padding: 0; list-style: none }
li { background: #fff; border-radius: 12px; overflow: hidden; text-align: center; padding-bottom: .5rem }
img { width: 100%; display: block; margin-bottom: .4rem }
</style>
<h1>ZEGO simulator</h1>
<p>This is a test double of ZEGOCLOUD's Digital Human API, not ZEGOCLOUD. Its digital humans are made up and its answers cost nothing.
It takes signed calls of `

// maxPageHumans is how many digital humans the page shows.
const maxPageHumans = 200

// servePage serves the page for a person who opens the simulator in a browser.
func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	tasks := s.listedTasks(s.updateTasks())
	s.mu.Unlock()
	humans := s.humans()
	shown := min(len(humans), maxPageHumans)
	// A template would need package text/template, which makes the linker keep every exported
	// method of every type in the program.
	var page strings.Builder
	page.WriteString(indexHead + join(Actions(), code) + " at this address.</p>\n")
	if len(tasks) > 0 {
		page.WriteString("<p>Stream tasks that run: " + join(tasks, func(t taskAnswer) string {
			return "stream " + code(t.StreamID) + " in room " + code(t.RoomID)
		}) + ".</p>\n")
	}
	page.WriteString("<ul>\n")
	for _, human := range humans[:shown] {
		if human.AvatarURL == "" {
			human.AvatarURL = avatarPath(human.ID, s.now())
		}
		fmt.Fprintf(&page, `<li><img src="%s" alt="" width="256" height="256" loading="lazy">%s`+"\n",
			html.EscapeString(human.AvatarURL), html.EscapeString(human.Name))
	}
	page.WriteString("</ul>\n")
	if more := len(humans) - shown; more > 0 {
		fmt.Fprintf(&page, "<p>And %d more.</p>\n", more)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, page.String())
}

// code returns text as HTML that shows it as code.
func code(text string) string { return "<code>" + html.EscapeString(text) + "</code>" }

// join returns what write makes of each element, with commas between them.
func join[T any](elements []T, write func(T) string) string {
	var texts []string
	for _, element := range elements {
		texts = append(texts, write(element))
	}
	return strings.Join(texts, ", ")
}
