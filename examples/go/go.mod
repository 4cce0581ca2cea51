module example

go 1.26

require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/workos/workos-go/v7 v7.1.2
	golang.org/x/crypto v0.55.0
)

require (
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
)
