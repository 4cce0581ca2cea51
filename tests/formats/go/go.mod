module formats

go 1.26.0

require (
	github.com/authelia/otp v1.0.4
	github.com/pquerna/otp v1.5.0
	go.yaml.in/yaml/v4 v4.0.0-rc.6
)

require github.com/boombuler/barcode v1.1.0 // indirect
