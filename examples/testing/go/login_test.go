package login

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/workos/workos-go/v7"
)

// textedCode enrolls a phone, texts it a code, and returns the challenge's ID and the code.
func textedCode(t *testing.T, latchkey Latchkey, mfa *workos.MultiFactorAuthService) (string, string) {
	t.Helper()
	phone := "+12025550100"
	factor, err := mfa.EnrollFactor(context.Background(), &workos.MultiFactorAuthEnrollFactorParams{
		Type: workos.AuthenticationFactorsCreateRequestTypeSms, PhoneNumber: &phone,
	})
	check(t, err)
	challenge, err := mfa.ChallengeFactor(context.Background(), factor.ID, nil)
	check(t, err)
	messages := latchkey.MessagesTo(t, phone)
	if len(messages) != 1 {
		t.Fatalf("%d messages", len(messages))
	}
	return challenge.ID, regexp.MustCompile(`\b\d{6}\b`).FindString(messages[0])
}

func verify(mfa *workos.MultiFactorAuthService, challenge, code string) (*workos.AuthenticationChallengeVerifyResponse, error) {
	params := &workos.MultiFactorAuthVerifyChallengeParams{Code: code}
	return mfa.VerifyChallenge(context.Background(), challenge, params)
}

func refusedWith(t *testing.T, err error, code string) {
	t.Helper()
	var refused *workos.APIError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Fatalf("%v is not %s", err, code)
	}
}

func TestATextedCodeIsValidOnce(t *testing.T) {
	latchkey := startLatchkey(t)
	mfa := workos.NewClient(latchkey.APIKey, workos.WithBaseURL(latchkey.URL)).MultiFactorAuth()
	challenge, code := textedCode(t, latchkey, mfa)
	verification, err := verify(mfa, challenge, code)
	check(t, err)
	if !verification.Valid {
		t.Fatal("the code is not valid")
	}
	_, err = verify(mfa, challenge, code)
	refusedWith(t, err, "authentication_challenge_previously_verified")
}

func TestAChallengeExpiresAfterTenMinutes(t *testing.T) {
	latchkey := startLatchkey(t)
	mfa := workos.NewClient(latchkey.APIKey, workos.WithBaseURL(latchkey.URL)).MultiFactorAuth()
	challenge, code := textedCode(t, latchkey, mfa)
	latchkey.Advance(t, 10*time.Minute)
	_, err := verify(mfa, challenge, code)
	refusedWith(t, err, "authentication_challenge_expired")
}
