//! Checks of text messages: the SNS settings of the AWS account (SMS-11).

use super::Finding;
use crate::deployment::Deployment;
use crate::error::hint;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use shared::aws;
use shared::config::Settings;
use shared::domain::phone::Country;
use shared::domain::policy::Countries;
use shared::domain::sms_budget::MicroUsd;
use std::collections::HashMap;

/// The monthly spending limit of a new account, in US dollars. SNS does not return it until it is changed.
const DEFAULT_SPEND_LIMIT: &str = "1";
const CONSOLE: &str = "AWS End User Messaging SMS in the console";

pub(super) async fn check(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "messages";
    let Some(sns) = &deployment.sns else {
        return findings.push(Finding::ok(check, "sent to the outbox: GET /_dev/sms of `latchkey serve`"));
    };
    let settings = &deployment.settings;
    if settings.policy.sms_countries == Countries::Only([].into()) {
        return findings.push(Finding::hint(
            check,
            "LATCHKEY_SMS_COUNTRIES is not set here, so SNS was not checked",
            "if the functions send messages, set their variables here: LATCHKEY_SMS_COUNTRIES=US latchkey doctor",
        ));
    }
    findings.push(sandbox(sns).await);
    match sns.get_sms_attributes().send().await {
        Ok(answer) => attributes(&answer.attributes.unwrap_or_default(), settings, findings),
        Err(error) => findings.push(failed_check("spending", &error, "sns:GetSMSAttributes")),
    }
    findings.push(origination(sns, settings).await);
    findings.push(opted_out(sns).await);
    findings.push(Finding::hint(
        "protection",
        "the SNS API does not show whether the account's default Protect configuration blocks or filters countries",
        format_args!(
            "check the Protect configurations in {CONSOLE}: the account's default also applies to SNS"
        ),
    ));
}

async fn sandbox(sns: &Client) -> Finding {
    let check = "SMS sandbox";
    match sns.get_sms_sandbox_account_status().send().await {
        Ok(answer) if answer.is_in_sandbox => {
            let remedy = format!(
                "exit the sandbox: {CONSOLE}, Overview, Exit SMS sandbox (a support case, about a day)"
            );
            Finding::fault(
                check,
                "the account is in the sandbox: only verified numbers receive messages",
                remedy,
            )
        }
        Ok(_) => Finding::ok(check, "the account is not in the sandbox"),
        Err(error) => failed_check(check, &error, "sns:GetSMSSandboxAccountStatus"),
    }
}

fn attributes(attributes: &HashMap<String, String>, settings: &Settings, findings: &mut Vec<Finding>) {
    let attribute = |name: &str| attributes.get(name).filter(|value| !value.is_empty());
    let limit = attribute("MonthlySpendLimit").map_or(DEFAULT_SPEND_LIMIT, String::as_str);
    let daily = settings.policy.sms_daily_budget;
    let (budget, check) = (dollars(daily), "spending");
    let remedy = format!(
        "raise the quota in Service Quotas (Amazon SNS, account spend threshold), then `aws sns set-sms-attributes \
         --attributes MonthlySpendLimit=…`; or lower LATCHKEY_SMS_DAILY_BUDGET_USD from {budget}"
    );
    findings.push(match MicroUsd::parse(limit) {
        Ok(MicroUsd(limit)) if limit >= daily.0 && limit > 1_000_000 => Finding::ok(
            check,
            format_args!("${} per month; the daily budget is ${budget}", dollars(MicroUsd(limit))),
        ),
        Ok(_) if limit == DEFAULT_SPEND_LIMIT => {
            Finding::fault(check, "SNS stops at $1 per month, the limit of a new account", remedy)
        }
        _ => Finding::fault(
            check,
            format_args!("SNS stops at ${limit} per month, which is less than the daily budget of ${budget}"),
            remedy,
        ),
    });
    findings.push(match attribute("DefaultSMSType").map(String::as_str) {
        Some("Transactional") => Finding::ok("message type", "Transactional"),
        _ => Finding::ok(
            "message type",
            "the account's default is Promotional, but Latchkey sends Transactional messages",
        ),
    });
    findings.push(match attribute("DeliveryStatusIAMRole") {
        Some(_) => Finding::ok("delivery log", "deliveries are logged to CloudWatch"),
        None => Finding::hint(
            "delivery log",
            "off: it is unknown whether messages are delivered",
            "turn it on: Amazon SNS in the console, Text messaging (SMS), Delivery status logging",
        ),
    });
}

fn dollars(amount: MicroUsd) -> String {
    amount.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Checks the origination numbers. Some countries block messages without a registered number or sender ID.
async fn origination(sns: &Client, settings: &Settings) -> Finding {
    let check = "origination";
    let mut pages = sns.list_origination_numbers().into_paginator().items().send();
    let mut numbers: Vec<String> = Vec::new();
    while let Some(number) = pages.next().await {
        match number {
            Ok(number) => numbers.extend(number.phone_number),
            Err(error) => return failed_check(check, &error, "sns:ListOriginationNumbers"),
        }
    }
    let texts_us = Country::parse("US").is_ok_and(|us| settings.policy.sms_countries.allow(&us));
    let register = format!("register a number (10DLC, toll-free or short code): {CONSOLE}, Phone numbers");
    match &settings.sms.origination_number {
        Some(chosen) if !numbers.contains(chosen) => {
            let remedy = format!("correct LATCHKEY_SMS_ORIGINATION_NUMBER, or {register}");
            Finding::fault(check, "LATCHKEY_SMS_ORIGINATION_NUMBER is not a number of this account", remedy)
        }
        _ if numbers.is_empty() && texts_us => {
            Finding::fault(check, "no origination number: US carriers reject messages without one", register)
        }
        None if numbers.is_empty() && settings.sms.sender_id.is_none() => {
            let remedy =
                format!("set LATCHKEY_SMS_SENDER_ID for countries that support sender IDs, or {register}");
            Finding::fault(
                check,
                "neither an origination number nor a sender ID: messages come from shared numbers, and some countries block them",
                remedy,
            )
        }
        _ => Finding::ok(
            check,
            format_args!(
                "origination numbers: {}; sender ID: {}",
                numbers.len(),
                settings.sms.sender_id.as_deref().unwrap_or("none")
            ),
        ),
    }
}

/// Counts the opted-out numbers. Never shows them.
async fn opted_out(sns: &Client) -> Finding {
    let check = "opt-outs";
    let mut pages = sns.list_phone_numbers_opted_out().into_paginator().items().send();
    let mut count = 0_usize;
    while let Some(number) = pages.next().await {
        match number {
            Ok(_) => count = count.saturating_add(1),
            Err(error) => return failed_check(check, &error, "sns:ListPhoneNumbersOptedOut"),
        }
    }
    if count == 0 {
        return Finding::ok(check, "no number has opted out");
    }
    let remedy = "their users need another factor, because Latchkey does not opt numbers in again. List them: `aws sns \
                  list-phone-numbers-opted-out`";
    Finding::hint(check, format_args!("numbers that have opted out: {count}"), remedy)
}

fn failed_check<E: ProvideErrorMetadata, R>(
    check: &str,
    error: &SdkError<E, R>,
    permission: &str,
) -> Finding {
    let reason = aws::reason(error);
    let found = format!("cannot be checked: SNS returned {reason}. {}", hint(&reason));
    Finding::fault(check, found, format_args!("grant the permission {permission}"))
}
