use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Config, InvalidVariables> {
    let source =
        |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::read(&Reader::new(&source))
}

#[test]
fn a_function_needs_a_table_and_a_kms_key_and_sends_no_sms_by_default() {
    let config = read(&[
        ("LATCHKEY_TABLE", "mfa"),
        ("LATCHKEY_KMS_KEY_ID", "alias/latchkey"),
        ("AWS_REGION", "eu-central-1"),
    ])
    .unwrap();
    assert_eq!(config.settings.policy.totp_skew, Skew::OneStep);
    assert!(!config.settings.policy.sms_countries.allow(&Country::parse("US").unwrap()));
    assert_eq!(config.settings.log, "info");
}

#[test]
fn every_variable_changes_the_configuration() {
    let variables = [
        ("LATCHKEY_TABLE", "mfa"),
        ("LATCHKEY_KMS_KEY_ID", "alias/latchkey"),
        ("LATCHKEY_SMS_COUNTRIES", "US, CA"),
        ("LATCHKEY_SMS_SENDER_ID", "FOOCORP"),
        ("LATCHKEY_SMS_ORIGINATION_NUMBER", "+12025550123"),
        ("LATCHKEY_SMS_MAX_PRICE_USD", "0.05"),
        ("LATCHKEY_SMS_DAILY_BUDGET_USD", "50"),
        ("LATCHKEY_SMS_ENVIRONMENT_DAILY_BUDGET_USD", "5"),
        ("LATCHKEY_SMS_TEMPLATE", "Foo Corp: {{code}}"),
        ("LATCHKEY_TOTP_SKEW", "0"),
        ("LATCHKEY_TOTP_IMPORT_MIN_BITS", "112"),
        ("LATCHKEY_TRUSTED_ROOTS", "system"),
        ("LATCHKEY_LOG", "warn"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_USE_FIPS_ENDPOINT", "TRUE"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:8000"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8001"),
        ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:8002"),
    ];
    let ours: Vec<&str> =
        variables.iter().map(|(name, _)| *name).filter(|name| name.starts_with("LATCHKEY")).collect();
    assert_eq!(ours, VARIABLES);
    let config = read(&variables).unwrap();
    for omitted in 0..variables.len() {
        let mut fewer = variables.to_vec();
        fewer.remove(omitted);
        assert_ne!(read(&fewer).ok(), Some(config.clone()), "{} changes nothing", variables[omitted].0);
    }
}

#[test]
fn all_invalid_variables_are_reported_together() {
    let result = read(&[
        ("LATCHKEY_TABLE", ""),
        ("LATCHKEY_TOTP_SKEW", "2"),
        ("LATCHKEY_TOTP_IMPORT_MIN_BITS", "79"),
        ("LATCHKEY_SMS_COUNTRIES", "US,Canada"),
        ("LATCHKEY_SMS_MAX_PRICE_USD", "-1"),
        ("LATCHKEY_SMS_TEMPLATE", "no code"),
        ("LATCHKEY_TRUSTED_ROOTS", "mozilla"),
        ("LOG_SENSITIVE_BODIES", "1"),
    ]);
    insta::assert_snapshot!(result.unwrap_err(), @r"
    invalid environment variables:
      LATCHKEY_TABLE is not set
      LATCHKEY_KMS_KEY_ID is not set
      AWS_REGION is not set
      LATCHKEY_TRUSTED_ROOTS must be amazon or system
      LOG_SENSITIVE_BODIES must not be set: it makes the SDK log codes and secrets
      LATCHKEY_TOTP_SKEW must be 0 or 1
      LATCHKEY_TOTP_IMPORT_MIN_BITS must be a number from 80 to 160
      LATCHKEY_SMS_COUNTRIES must be ISO codes like US,CA
      LATCHKEY_SMS_MAX_PRICE_USD must be US dollars above 0, like 0.10
      LATCHKEY_SMS_TEMPLATE must contain {{code}} exactly once and no control or format characters, and fit one SMS
    ");
}
