package zegosim

import (
	"bytes"
	"html/template"
	"net/http"
	"zego-mcp/zego"
)

// indexPage needs no internet: it refers to nothing but pictures of the Server.
var indexPage = template.Must(template.New("index").Parse(`<!DOCTYPE html>
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
It takes signed calls of {{range $i, $a := .Actions}}{{if $i}}, {{end}}<code>{{$a}}</code>{{end}} at this address.</p>
{{- with .Tasks}}
<p>Stream tasks that run: {{range $i, $t := .}}{{if $i}}, {{end}}stream <code>{{$t.StreamID}}</code> in room <code>{{$t.RoomID}}</code>{{end}}.</p>
{{- end}}
<ul>
{{- range .Humans}}
<li><img src="{{.AvatarURL}}" alt="" width="256" height="256" loading="lazy">{{.Name}}
{{- end}}
</ul>
{{- with .More}}
<p>And {{.}} more.</p>
{{- end}}
`))

// maxPageHumans is how many digital humans the page shows.
const maxPageHumans = 200

// servePage serves the page for a person who opens the simulator in a browser.
func (s *Server) servePage(w http.ResponseWriter, _ *http.Request) {
	var data struct {
		Actions []string
		Tasks   []taskAnswer
		Humans  []zego.DigitalHuman
		More    int
	}
	data.Actions = Actions()
	s.mu.Lock()
	data.Tasks = s.listedTasks(s.updateTasks())
	s.mu.Unlock()
	humans := s.humans()
	shown := min(len(humans), maxPageHumans)
	data.More = len(humans) - shown
	for _, human := range humans[:shown] {
		if human.AvatarURL == "" {
			human.AvatarURL = avatarPath(human.ID, s.now())
		}
		data.Humans = append(data.Humans, human)
	}
	var b bytes.Buffer
	if err := indexPage.Execute(&b, data); err != nil {
		http.Error(w, "zego-simulator: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}
