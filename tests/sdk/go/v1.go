package main

import (
	"context"
	"errors"

	"github.com/workos/workos-go/pkg/mfa"
)

type v1 struct{ client *mfa.Client }

func newV1(url, key string) SDK { return v1{&mfa.Client{APIKey: key, Endpoint: url}} }

// text is a field of an answer that this version leaves a map.
func text(fields map[string]any, name string) string {
	value, _ := fields[name].(string)
	return value
}

func factorV1(f mfa.EnrollResponse) Factor {
	return Factor{
		ID: f.ID, Type: f.Type, Issuer: text(f.Totp, "issuer"), Account: text(f.Totp, "user"),
		QRCode: text(f.Totp, "qr_code"), Secret: text(f.Totp, "secret"), URI: text(f.Totp, "uri"),
		Phone: text(f.Sms, "phone_number"),
	}
}

func (s v1) Enroll(kind, issuer, account, phone string) (Factor, error) {
	factor, err := s.client.EnrollFactor(context.Background(),
		mfa.GetEnrollOpts{Type: kind, TotpIssuer: issuer, TotpUser: account, PhoneNumber: phone})
	if errors.Is(err, mfa.ErrInvalidType) {
		err = errAbsent
	}
	return factorV1(factor), err
}

func (s v1) Get(id string) (Factor, error) {
	factor, err := s.client.GetFactor(context.Background(), mfa.GetFactorOpts{AuthenticationFactorID: id})
	return factorV1(factor), err
}

func (s v1) Delete(id string) error {
	return s.client.DeleteFactor(context.Background(), mfa.DeleteFactorOpts{AuthenticationFactorID: id})
}

func (s v1) Challenge(id, template string) (Challenge, error) {
	c, err := s.client.ChallengeFactor(context.Background(),
		mfa.ChallengeOpts{AuthenticationFactorID: id, SMSTemplate: template})
	return Challenge{c.ID, c.AuthenticationFactorID, c.CreatedAt, c.ExpiresAt, ""}, err
}

func (s v1) Verify(id, code string) (bool, string, error) {
	answer, err := s.client.VerifyChallenge(context.Background(), mfa.VerifyOpts{AuthenticationChallengeID: id, Code: code})
	if err != nil {
		return false, "", err
	}
	switch answer := answer.(type) {
	case mfa.VerifyResponse:
		return answer.Valid, text(answer.Challenge, "id"), nil
	case mfa.VerifyResponseError:
		return false, "", errors.New(verifyFailed + answer.Message + " (code: " + answer.Code + ")")
	default:
		return false, "", errors.New("an answer of another type")
	}
}

func (v1) EnrollUser(_, _, _ string) (Factor, Challenge, error) {
	return Factor{}, Challenge{}, errAbsent
}

func (v1) ListUser(string, int) ([]string, bool, error) { return nil, false, errAbsent }
