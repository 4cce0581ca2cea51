package main

import (
	"errors"
	"runtime/debug"
	"strings"
)

// SDK has the methods of one version, under one set of names.
type SDK interface {
	Enroll(kind, issuer, account, phone string) (Factor, error)
	Get(id string) (Factor, error)
	Delete(id string) error
	Challenge(id, template string) (Challenge, error)
	Verify(id, code string) (valid bool, challenge string, err error)
	// EnrollUser imports secret, if there is one.
	EnrollUser(user, issuer, secret string) (Factor, Challenge, error)
	// ListUser returns all factors of a user, or the first page of a version that does not follow pages. A limit of 0
	// is the default.
	ListUser(user string, limit int) (ids []string, hasMore bool, err error)
}

// Factor has what a version's own type has; an absent field is empty.
type Factor struct{ ID, Type, Issuer, Account, QRCode, Secret, URI, Phone string }

// Challenge has what a version's own type has; an absent field is empty.
type Challenge struct{ ID, FactorID, CreatedAt, ExpiresAt, Code string }

// errAbsent says that a version has no such method.
var errAbsent = errors.New("absent")

// version is the version of a module that this program was built with.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	panic(module + " is not in this program")
}
