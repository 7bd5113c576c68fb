package zegosim

import (
	"slices"
	"zego-mcp/zego"
)

// Timbre is a voice. ZEGO's documents call it so.
type Timbre struct {
	ID             string
	Name           string
	AvatarURL      string // empty: an answer has the URL of a picture that the Server draws
	DigitalHumanID string // the digital human whose private voice it is; empty: it is public
}

// timbre is how a Timbre looks in an answer.
type timbre struct {
	TimbreID  string `json:"TimbreId"`
	Name      string
	AvatarURL string `json:"AvatarUrl"`
}

// getTimbreList lists the private timbres of DigitalHumanId, or the public ones if there
// is no DigitalHumanId, in the order of Timbres.
//
// Assumed: ZEGO documents no order, and no answer to an unknown DigitalHumanId.
func (s *Server) getTimbreList(r *request) (any, error) {
	humanID := r.optional("DigitalHumanId", "")
	offset, limit := r.offsetAndLimit()
	if r.err != nil {
		return nil, r.err
	}
	if humanID != "" {
		if _, err := s.human(humanID); err != nil {
			return nil, err
		}
	}
	timbres, total := selectPage(s.timbres(), func(t *Timbre) bool { return t.DigitalHumanID == humanID }, offset, limit)
	var out struct {
		Total   int
		Timbres []timbre
	}
	out.Total = total
	out.Timbres = []timbre{} // Never null.
	for _, t := range timbres {
		if t.AvatarURL == "" {
			t.AvatarURL = r.origin + avatarPath(t.ID, r.clock())
		}
		out.Timbres = append(out.Timbres, timbre{t.ID, t.Name, t.AvatarURL})
	}
	return out, nil
}

// checkTimbre refuses a timbre that a digital human cannot speak with.
func (s *Server) checkTimbre(human, id string) error {
	all := s.timbres()
	i := slices.IndexFunc(all, func(t Timbre) bool { return t.ID == id })
	switch {
	case i < 0:
		return refuse(zego.CodeTimbreNotFound, "timbre %q not found", id)
	case all[i].DigitalHumanID != "" && all[i].DigitalHumanID != human:
		return refuse(zego.CodeTimbreNotSupported, "timbre %q is private to another digital human", id)
	}
	return nil
}

func (s *Server) timbres() []Timbre {
	if s.Timbres == nil {
		return defaultTimbres()
	}
	return s.Timbres
}
