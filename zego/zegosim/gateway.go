package zegosim

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"zego-mcp/zego"
)

const signatureWindow = 600 // seconds that a Timestamp may be off, either way

// answer returns the Data of the answer to a call, or why the call is refused.
func (s *Server) answer(r *request) (data any, refused *refusal) {
	data, err := s.carryOut(r)
	switch {
	case err == nil:
		return data, nil
	case errors.As(err, &refused):
		return nil, refused
	default:
		return nil, &refusal{zego.CodeSystemError, err.Error()}
	}
}

// carryOut checks a call, the cheapest checks first, and calls the action's handler.
//
// Assumed: the order of the checks; ZEGO documents none.
func (s *Server) carryOut(r *request) (data any, err error) {
	if err := s.authenticate(r.query, r.clock().Unix()); err != nil {
		return nil, err
	}
	action := r.query.Get("Action")
	handle, ok := actions[action]
	if !ok || action == "GetDriveStatus" && s.NoDriveStatus {
		return nil, refuse(zego.CodeGatewayActionUnsupported, "Action %q is not supported", action)
	}
	if !s.admit(action, r.received) {
		return nil, refuse(zego.CodeRateLimited, "%s may be called %d times per second", action, s.qps())
	}
	if r.bodyErr != nil {
		// Assumed: ZEGO documents no limit of a request's size.
		return nil, refuse(zego.CodeGatewayBodyUnreadable, "the request body cannot be read: %v", r.bodyErr)
	}
	if r.fault.Code != 0 {
		return nil, &refusal{r.fault.Code, r.fault.message()}
	}
	if r.method == http.MethodGet {
		r.params = queryParams(r.query)
	} else if r.params, err = bodyParams(r.body); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.now = s.updateTasks()
	return handle(s, r)
}

// authenticate checks the common parameters. Of Action it only checks that there is
// one.
func (s *Server) authenticate(query url.Values, now int64) error {
	appID, err := strconv.ParseUint(query.Get("AppId"), 10, 32)
	if err != nil {
		return refuse(zego.CodeGatewayAppIDMalformed, "AppId must be a decimal uint32")
	}
	if query.Get("Timestamp") == "" {
		return refuse(zego.CodeGatewayTimestampEmpty, "Timestamp is empty")
	}
	timestamp, err := strconv.ParseInt(query.Get("Timestamp"), 10, 64)
	if err != nil {
		return refuse(zego.CodeGatewayTimestampMalformed, "Timestamp must be Unix seconds")
	}
	for _, p := range []struct {
		name string
		code zego.Code // if it is empty
	}{
		{"Action", zego.CodeGatewayActionEmpty},
		{"SignatureNonce", zego.CodeGatewayNonceEmpty},
		{"Signature", zego.CodeGatewaySignatureEmpty},
		{"SignatureVersion", zego.CodeGatewaySignatureVersionEmpty},
	} {
		if query.Get(p.name) == "" {
			return refuse(p.code, "%s is empty", p.name)
		}
	}
	if version := query.Get("SignatureVersion"); version != "2.0" {
		return refuse(zego.CodeGatewaySignatureVersionUnsupported, "SignatureVersion %q is not supported, only 2.0", version)
	}

	if uint32(appID) != s.appID() {
		// Assumed: 100000010, no ServerSecret, would fit as well.
		return refuse(zego.CodeGatewayNoAppConfig, "no app has AppId %d", appID)
	}
	// Assumed: the edge still counts as valid, and the future is treated like the past.
	if timestamp < now-signatureWindow || timestamp > now+signatureWindow {
		return refuse(zego.CodeSignatureExpired, "signature expired: Timestamp is %d, the server's clock says %d", timestamp, now)
	}
	nonce := query.Get("SignatureNonce")
	// Assumed: only lowercase is right.
	if query.Get("Signature") != zego.Sign(uint32(appID), nonce, s.secret(), timestamp) {
		return refuse(zego.CodeSignatureWrong, "signature wrong")
	}
	if s.RefuseReplay && s.replayed(nonce, timestamp, now) {
		return refuse(zego.CodeSignatureWrong, "signature wrong: this SignatureNonce has been used before")
	}
	return nil
}

// replayed reports whether nonce was used before, and remembers it for as long as its
// Timestamp is valid.
func (s *Server) replayed(nonce string, timestamp, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nonces == nil {
		s.nonces = make(map[string]int64)
	}
	if now-s.noncesPruned >= 60 {
		for n, validUntil := range s.nonces {
			if validUntil < now {
				delete(s.nonces, n)
			}
		}
		s.noncesPruned = now
	}
	_, used := s.nonces[nonce]
	s.nonces[nonce] = max(s.nonces[nonce], timestamp+signatureWindow)
	return used
}

// admit reports whether the rate limit of action leaves room for one more call, and
// if so counts the call.
//
// Assumed: a sliding window of one second per app and action, in which refused
// calls do not count.
func (s *Server) admit(action string, now time.Time) bool {
	qps := s.qps()
	if qps < 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admitted == nil {
		s.admitted = make(map[string][]time.Time)
	}
	admitted := slices.DeleteFunc(s.admitted[action], func(t time.Time) bool {
		return now.Sub(t).Abs() >= time.Second // Abs: a test may turn the clock back.
	})
	ok := len(admitted) < qps
	if ok {
		admitted = append(admitted, now)
	}
	s.admitted[action] = admitted
	return ok
}
