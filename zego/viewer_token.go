package zego

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// ViewerTokenRequest says who may watch what, and for how long.
type ViewerTokenRequest struct {
	// RoomID is the room that the token opens, 1 to 128 bytes. The token opens no other.
	RoomID string
	// UserID is the name under which the viewer logs in to the room: 1 to 64 digits, ASCII
	// letters, - and _. Of two viewers of the project with the same UserID, whatever their
	// rooms, ZEGO logs out the earlier one.
	UserID string
	// Lifetime is how long the token works, from 1 s to 24 h. A viewer who is in the room then
	// must renew the token.
	Lifetime time.Duration
}

// ViewerToken lets one viewer watch the streams of one room.
type ViewerToken struct {
	AppID     uint32 // The project; the viewer's SDK needs it as well.
	Token     string // What the viewer logs in to the room with. It begins with 04.
	ExpiresAt time.Time
}

// userIDPattern is stricter than ZEGO, which allows some punctuation marks: with these
// characters, a UserID works in all of its SDKs.
var userIDPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`) })

const (
	maxRoomID        = 128 // Bytes.
	maxTokenLifetime = 24 * time.Hour
)

// NewViewerToken makes a token (ZEGO's Token04) of the project appID, with which a viewer may
// log in to one room and watch, but not publish. ZEGO holds viewers to that if the project has
// privilege tokens, which ZEGOCLOUD support turns on; in other projects the token opens every
// room. now is the time by ZEGO's clock. serverSecret is the project's ServerSecret of 32
// characters; it cannot be found out from the token.
//
// NewViewerToken makes no request. It fails only if an argument is malformed.
//
// ZEGO docs: https://www.zegocloud.com/docs/video-call/token
func NewViewerToken(appID uint32, serverSecret string, now time.Time, in ViewerTokenRequest) (ViewerToken, error) {
	switch {
	case appID == 0:
		return ViewerToken{}, errors.New("zego: AppId must be a number from 1 to 4294967295")
	case len(serverSecret) != 32:
		return ViewerToken{}, fmt.Errorf("zego: ServerSecret must have 32 characters, got %d", len(serverSecret))
	case in.RoomID == "" || len(in.RoomID) > maxRoomID:
		return ViewerToken{}, fmt.Errorf("zego: RoomID must have 1 to %d bytes, got %d", maxRoomID, len(in.RoomID))
	case !userIDPattern().MatchString(in.UserID):
		return ViewerToken{}, errors.New("zego: UserID must have 1 to 64 digits, ASCII letters, - and _")
	case in.Lifetime < time.Second || in.Lifetime > maxTokenLifetime:
		return ViewerToken{}, fmt.Errorf("zego: Lifetime must be from 1s to %v, got %v", maxTokenLifetime, in.Lifetime)
	}
	expiresAt := now.Add(in.Lifetime).Truncate(time.Second)
	payload, err := json.Marshal(tokenPayload{RoomID: in.RoomID, Privilege: map[string]int{privilegeLogin: 1, privilegePublish: 0}})
	if err != nil {
		return ViewerToken{}, err
	}
	var iv [aes.BlockSize]byte
	var nonce [4]byte
	_, _ = rand.Read(iv[:]) // rand.Read returns no error: it ends the program instead.
	_, _ = rand.Read(nonce[:])
	token, err := encodeToken(serverSecret, iv, tokenFields{
		AppID: appID, UserID: in.UserID, CreatedAt: now.Unix(), ExpiresAt: expiresAt.Unix(),
		Nonce: int32(binary.BigEndian.Uint32(nonce[:])), Payload: string(payload), //nolint:gosec // Any 32 bits will do.
	})
	return ViewerToken{AppID: appID, Token: token, ExpiresAt: expiresAt}, err
}

// NewViewerToken is like the function of the same name, for the project of the client and by
// the clock that ZEGO's answers have shown.
func (c *Client) NewViewerToken(in ViewerTokenRequest) (ViewerToken, error) {
	if c.closed.Load() {
		return ViewerToken{}, fmt.Errorf("zego: %w", ErrClosed)
	}
	return c.secret.Load().viewerToken(in)
}

// viewerTokens returns a function that makes tokens of one project. The secret is kept in the
// closure, so that printing a Client cannot show it.
func viewerTokens(appID uint32, serverSecret string, now func() time.Time) func(ViewerTokenRequest) (ViewerToken, error) {
	return func(in ViewerTokenRequest) (ViewerToken, error) {
		return NewViewerToken(appID, serverSecret, now(), in)
	}
}

// tokenFields is what a token holds in encrypted form.
type tokenFields struct {
	AppID     uint32 `json:"app_id"`
	UserID    string `json:"user_id"`
	CreatedAt int64  `json:"ctime"`  // In Unix seconds.
	ExpiresAt int64  `json:"expire"` // In Unix seconds.
	Nonce     int32  `json:"nonce"`
	Payload   string `json:"payload"` // A tokenPayload as JSON, or "".
}

// tokenPayload says what the holder of a token may do in which room.
type tokenPayload struct {
	RoomID    string         `json:"room_id"`
	Privilege map[string]int `json:"privilege"` // 1: allowed; 0: not.
	StreamIDs []string       `json:"stream_id_list"`
}

// The keys of tokenPayload.Privilege.
const (
	privilegeLogin   = "1"
	privilegePublish = "2"
)

// encodeToken returns the token in the form that ZEGO reads: the version, and in base64 the
// time at which it expires, the initialization vector, and the fields encrypted with the secret
// by AES-256-CBC. Both byte strings come with their length before them.
func encodeToken(serverSecret string, iv [aes.BlockSize]byte, fields tokenFields) (string, error) {
	const version = "04"
	plain, err := json.Marshal(fields)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher([]byte(serverSecret))
	if err != nil {
		return "", err
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize // PKCS #7: each byte of it is their number.
	for range padding {
		plain = append(plain, byte(padding))
	}
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(plain, plain)
	out := binary.BigEndian.AppendUint64(nil, uint64(fields.ExpiresAt)) //nolint:gosec // A time of this century.
	out = binary.BigEndian.AppendUint16(out, uint16(len(iv)))
	out = append(out, iv[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(plain))) //nolint:gosec // Less than 1 kB: the checks of NewViewerToken bound it.
	out = append(out, plain...)
	return version + base64.StdEncoding.EncodeToString(out), nil
}
