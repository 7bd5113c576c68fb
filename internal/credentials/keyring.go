package credentials

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// keyringService is the name of this program in the system's keyring. The name of an entry is
// the AppID.
const keyringService = "zego-mcp"

// A keyring that is locked asks its user, on a screen that a server may not have.
const (
	readTimeout  = 10 * time.Second // Clients wait for a server to start.
	writeTimeout = time.Minute      // A person is there.
)

func entryName(appID uint32) string { return fmt.Sprint(appID) }

func getFromKeyring(ctx context.Context, appID uint32) (secret string, err error) {
	secret, err = within(ctx, readTimeout, func() (string, error) { return keyring.Get(keyringService, entryName(appID)) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", fmt.Errorf("the system's keyring has no secret of AppID %d; log in again", appID)
	}
	return secret, err
}

func setInKeyring(ctx context.Context, appID uint32, secret string) error {
	_, err := within(ctx, writeTimeout, func() (string, error) {
		return "", keyring.Set(keyringService, entryName(appID), secret)
	})
	return err
}

// deleteFromKeyring deletes a secret, if it is there.
func deleteFromKeyring(ctx context.Context, appID uint32) error {
	_, err := within(ctx, writeTimeout, func() (string, error) {
		return "", keyring.Delete(keyringService, entryName(appID))
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// within calls use, which cannot be canceled, and waits for it until ctx is done, but no longer
// than limit. An error of use is wrapped.
func within(ctx context.Context, limit time.Duration, use func() (string, error)) (string, error) {
	type result struct {
		secret string
		err    error
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		secret, err := use()
		done <- result{secret, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return "", fmt.Errorf("the system's keyring cannot be used: %w", r.err)
		}
		return r.secret, nil
	case <-ctx.Done():
		return "", fmt.Errorf("the system's keyring did not answer within %v; perhaps it is locked and waits for its password", limit)
	}
}
