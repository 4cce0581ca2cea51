package main

import (
	"context"

	workos "github.com/workos/workos-go/v7"
)

type v7 struct {
	mfa *workos.MultiFactorAuthService
}

func newV7(url, key string) SDK {
	return v7{workos.NewClient(key, workos.WithBaseURL(url)).MultiFactorAuth()}
}

// given is a pointer to a text, or nil if it is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func enrolledV7(f *workos.AuthenticationFactorEnrolled) Factor {
	factor := Factor{ID: f.ID, Type: string(f.Type)}
	if totp := f.TOTP; totp != nil {
		factor.Issuer, factor.Account, factor.QRCode = totp.Issuer, totp.User, totp.QrCode
		factor.Secret, factor.URI = totp.Secret, totp.URI
	}
	if f.Sms != nil {
		factor.Phone = f.Sms.PhoneNumber
	}
	return factor
}

func challengeV7(c *workos.AuthenticationChallenge) Challenge {
	challenge := Challenge{ID: c.ID, FactorID: c.AuthenticationFactorID, CreatedAt: c.CreatedAt}
	if c.ExpiresAt != nil {
		challenge.ExpiresAt = *c.ExpiresAt
	}
	if c.Code != nil {
		challenge.Code = *c.Code
	}
	return challenge
}

func (s v7) Enroll(kind, issuer, account, phone string) (Factor, error) {
	factor, err := s.mfa.EnrollFactor(context.Background(), &workos.MultiFactorAuthEnrollFactorParams{
		Type:       workos.AuthenticationFactorsCreateRequestType(kind),
		TOTPIssuer: given(issuer), TOTPUser: given(account), PhoneNumber: given(phone),
	})
	if err != nil {
		return Factor{}, err
	}
	return enrolledV7(factor), nil
}

func (s v7) Get(id string) (Factor, error) {
	f, err := s.mfa.GetFactor(context.Background(), id)
	if err != nil {
		return Factor{}, err
	}
	return Factor{ID: f.ID, Type: string(f.Type), Issuer: f.TOTP.Issuer, Account: f.TOTP.User}, nil
}

func (s v7) Delete(id string) error { return s.mfa.DeleteFactor(context.Background(), id) }

// Challenge without a template sends the four bytes `null`.
func (s v7) Challenge(id, template string) (Challenge, error) {
	var params *workos.MultiFactorAuthChallengeFactorParams
	if template != "" {
		params = &workos.MultiFactorAuthChallengeFactorParams{SmsTemplate: &template}
	}
	challenge, err := s.mfa.ChallengeFactor(context.Background(), id, params)
	if err != nil {
		return Challenge{}, err
	}
	return challengeV7(challenge), nil
}

func (s v7) Verify(id, code string) (bool, string, error) {
	answer, err := s.mfa.VerifyChallenge(context.Background(), id, &workos.MultiFactorAuthVerifyChallengeParams{Code: code})
	if err != nil {
		return false, "", err
	}
	return answer.Valid, answer.Challenge.ID, nil
}

func (s v7) EnrollUser(user, issuer, secret string) (Factor, Challenge, error) {
	enrolled, err := s.mfa.CreateUserAuthFactor(context.Background(), user, &workos.MultiFactorAuthCreateUserAuthFactorParams{
		Type: "totp", TOTPIssuer: &issuer, TOTPUser: given("alan"), TOTPSecret: given(secret),
	})
	if err != nil {
		return Factor{}, Challenge{}, err
	}
	return enrolledV7(enrolled.AuthenticationFactor), challengeV7(enrolled.AuthenticationChallenge), nil
}

func (s v7) ListUser(user string, limit int) (ids []string, hasMore bool, err error) {
	params := &workos.MultiFactorAuthListUserAuthFactorsParams{}
	if limit > 0 {
		params.Limit = &limit
	}
	pages := s.mfa.ListUserAuthFactors(context.Background(), user, params)
	for pages.Next() {
		ids = append(ids, pages.Current().ID)
	}
	return ids, pages.Cursor() != nil, pages.Err()
}
