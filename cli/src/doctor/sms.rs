//! Text messages: what SNS and the account let through (SMS-11).

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

/// What SNS lets a new account spend a month, and what it says nothing of.
const FIRST_SPEND_LIMIT: &str = "1";
const CONSOLE: &str = "AWS End User Messaging SMS in the console";

pub(super) async fn examine(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "messages";
    let Some(sns) = &deployment.sns else {
        return findings.push(Finding::ok(check, "they go to the outbox: GET /_dev/sms of `latchkey serve`"));
    };
    let settings = &deployment.settings;
    if settings.policy.sms_countries == Countries::Only([].into()) {
        return findings.push(Finding::hint(
            check,
            "LATCHKEY_SMS_COUNTRIES is not set here, so SNS was not looked at",
            "if the functions send messages, give the doctor their variables: LATCHKEY_SMS_COUNTRIES=US latchkey doctor",
        ));
    }
    findings.push(sandbox(sns).await);
    match sns.get_sms_attributes().send().await {
        Ok(answer) => attributes(&answer.attributes.unwrap_or_default(), settings, findings),
        Err(error) => findings.push(unasked("spending", &error, "sns:GetSMSAttributes")),
    }
    findings.push(origination(sns, settings).await);
    findings.push(opted_out(sns).await);
    findings.push(Finding::hint(
        "protection",
        "SNS does not tell whether the account's default Protect configuration blocks or filters countries",
        format_args!(
            "look at Protect configurations of {CONSOLE}: the account's default applies to SNS, too"
        ),
    ));
}

async fn sandbox(sns: &Client) -> Finding {
    let check = "SMS sandbox";
    match sns.get_sms_sandbox_account_status().send().await {
        Ok(answer) if answer.is_in_sandbox => {
            let remedy =
                format!("leave it: {CONSOLE}, Overview, Exit SMS sandbox (a support case, about a day)");
            Finding::fault(
                check,
                "the account is in it: only numbers verified there are sent anything",
                remedy,
            )
        }
        Ok(_) => Finding::ok(check, "the account is out of it"),
        Err(error) => unasked(check, &error, "sns:GetSMSSandboxAccountStatus"),
    }
}

fn attributes(attributes: &HashMap<String, String>, settings: &Settings, findings: &mut Vec<Finding>) {
    let attribute = |name: &str| attributes.get(name).filter(|value| !value.is_empty());
    let limit = attribute("MonthlySpendLimit").map_or(FIRST_SPEND_LIMIT, String::as_str);
    let daily = settings.policy.sms_daily_budget;
    let (budget, check) = (dollars(daily), "spending");
    let remedy = format!(
        "raise the quota in Service Quotas (Amazon SNS, account spend threshold), then `aws sns set-sms-attributes \
         --attributes MonthlySpendLimit=…`; or lower LATCHKEY_SMS_DAILY_BUDGET_USD from {budget}"
    );
    findings.push(match MicroUsd::parse(limit) {
        Ok(MicroUsd(limit)) if limit >= daily.0 && limit > 1_000_000 => Finding::ok(
            check,
            format_args!("${} a month; the daily budget is ${budget}", dollars(MicroUsd(limit))),
        ),
        Ok(_) if limit == FIRST_SPEND_LIMIT => {
            Finding::fault(check, "SNS stops at $1 a month, as for every new account", remedy)
        }
        _ => Finding::fault(
            check,
            format_args!("SNS stops at ${limit} a month, before one daily budget of ${budget}"),
            remedy,
        ),
    });
    findings.push(match attribute("DefaultSMSType").map(String::as_str) {
        Some("Transactional") => Finding::ok("message type", "Transactional"),
        _ => Finding::ok(
            "message type",
            "the account's default is Promotional; Latchkey's messages say Transactional",
        ),
    });
    findings.push(match attribute("DeliveryStatusIAMRole") {
        Some(_) => Finding::ok("delivery log", "deliveries are logged to CloudWatch"),
        None => Finding::hint(
            "delivery log",
            "nobody can tell whether messages arrive",
            "Amazon SNS in the console, Text messaging (SMS), Delivery status logging",
        ),
    });
}

fn dollars(amount: MicroUsd) -> String {
    amount.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whom messages come from. Some countries let nobody send without a number or a name of their own.
async fn origination(sns: &Client, settings: &Settings) -> Finding {
    let check = "origination";
    let mut pages = sns.list_origination_numbers().into_paginator().items().send();
    let mut numbers: Vec<String> = Vec::new();
    while let Some(number) = pages.next().await {
        match number {
            Ok(number) => numbers.extend(number.phone_number),
            Err(error) => return unasked(check, &error, "sns:ListOriginationNumbers"),
        }
    }
    let texts_us = Country::parse("US").is_ok_and(|us| settings.policy.sms_countries.allow(&us));
    let register = format!("register a number (10DLC, toll-free or short code): {CONSOLE}, Phone numbers");
    match &settings.sms.origination_number {
        Some(chosen) if !numbers.contains(chosen) => {
            let remedy = format!("correct LATCHKEY_SMS_ORIGINATION_NUMBER, or {register}");
            Finding::fault(check, "LATCHKEY_SMS_ORIGINATION_NUMBER is no number of this account", remedy)
        }
        _ if numbers.is_empty() && texts_us => {
            Finding::fault(check, "no number: US carriers take no message without one", register)
        }
        None if numbers.is_empty() && settings.sms.sender_id.is_none() => {
            let remedy = format!("set LATCHKEY_SMS_SENDER_ID where countries take names, or {register}");
            Finding::fault(
                check,
                "neither a number nor a name: messages come from anybody's, and some countries drop them",
                remedy,
            )
        }
        _ => Finding::ok(
            check,
            format_args!(
                "numbers: {}; name: {}",
                numbers.len(),
                settings.sms.sender_id.as_deref().unwrap_or("none")
            ),
        ),
    }
}

/// How many have opted out; never who.
async fn opted_out(sns: &Client) -> Finding {
    let check = "opt-outs";
    let mut pages = sns.list_phone_numbers_opted_out().into_paginator().items().send();
    let mut count = 0_usize;
    while let Some(number) = pages.next().await {
        match number {
            Ok(_) => count = count.saturating_add(1),
            Err(error) => return unasked(check, &error, "sns:ListPhoneNumbersOptedOut"),
        }
    }
    if count == 0 {
        return Finding::ok(check, "nobody has opted out");
    }
    let remedy = "their users need another factor: Latchkey opts nobody in again. `aws sns list-phone-numbers-opted-out`";
    Finding::hint(check, format_args!("numbers that have opted out: {count}"), remedy)
}

fn unasked<E: ProvideErrorMetadata, R>(check: &str, error: &SdkError<E, R>, permission: &str) -> Finding {
    let reason = aws::reason(error);
    let found = format!("SNS cannot be asked: {reason}. {}", hint(&reason));
    Finding::fault(check, found, format_args!("allow {permission}"))
}
