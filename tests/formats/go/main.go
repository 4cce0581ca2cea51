// Writes what Authelia and pquerna/otp export.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pquerna/otp/totp"
	"go.yaml.in/yaml/v4"

	"formats/model" // Authelia's internal/model/totp_configuration.go and const.go, unchanged
)

const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA" // 32 bytes, Authelia's default length

func configuration(username, algorithm string, digits uint32, period uint) model.TOTPConfiguration {
	return model.TOTPConfiguration{
		CreatedAt: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), Username: username, Issuer: "shop.example.com",
		Algorithm: algorithm, Digits: digits, Period: period, Secret: []byte(secret),
	}
}

func create(name string) *os.File {
	file, err := os.Create(filepath.Join(os.Args[1], name))
	if err != nil {
		panic(err)
	}
	return file
}

func main() {
	export := model.TOTPConfigurationExport{TOTPConfigurations: []model.TOTPConfiguration{
		configuration("alice", "SHA1", 6, 30),
		configuration("bob", "SHA256", 6, 30),
		configuration("carol", "SHA1", 8, 30),
		configuration("dave", "SHA1", 6, 60),
	}}
	// As exportYAMLWithJSONSchema of internal/commands/util.go.
	file := create("authelia.yml")
	fmt.Fprintf(file, model.FormatJSONSchemaYAMLLanguageServer, "latest", "export.totp")
	fmt.Fprintf(file, "\n\n")
	if err := yaml.NewEncoder(file).Encode(export); err != nil {
		panic(err)
	}
	// As runStorageUserTOTPExportCSV of internal/commands/storage_run.go.
	file = create("authelia.csv")
	fmt.Fprint(file, "issuer,username,algorithm,digits,period,secret\n")
	for _, c := range export.TOTPConfigurations {
		fmt.Fprintf(file, "%s,%s,%s,%d,%d,%s\n", c.Issuer, c.Username, c.Algorithm, c.Digits, c.Period, string(c.Secret))
	}
	file = create("otpauth-authelia.txt")
	for _, c := range export.TOTPConfigurations {
		fmt.Fprintln(file, c.URI())
	}
	file = create("otpauth-pquerna.txt")
	for _, account := range []string{"alice@example.com", "jürgen b"} {
		options := totp.GenerateOpts{Issuer: "Foo & Corp", AccountName: account, Secret: []byte("12345678901234567890")}
		key, err := totp.Generate(options)
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(file, key.URL())
	}
}
