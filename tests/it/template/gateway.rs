//! The way in: one HTTPS endpoint, throttled, and functions that nothing else invokes.

use super::{FUNCTIONS, function, properties, resources, template};

#[test]
fn net_01_the_api_has_one_door_with_tls_1_2() {
    let template = template();
    let domain = properties(&template, "Domain");
    for configuration in domain["DomainNameConfigurations"].as_sequence().unwrap() {
        assert_eq!(configuration["SecurityPolicy"], "TLS_1_2");
    }
    // `!If [HasDomain, true, false]`: the default endpoint, HTTPS as well, is there only without a domain.
    let disabled = &properties(&template, "Api")["DisableExecuteApiEndpoint"];
    assert_eq!(disabled[0], "HasDomain");
    assert_eq!(disabled[1], true);
    assert_eq!(disabled[2], false);
    for name in ["Domain", "DomainMapping"] {
        assert_eq!(template["Resources"][name]["Condition"], "HasDomain");
    }
}

#[test]
fn net_02_every_route_is_throttled() {
    let template = template();
    let api = properties(&template, "Api");
    // A default holds for each route by itself.
    let mut settings = vec![&api["DefaultRouteSettings"]];
    settings.extend(api["RouteSettings"].as_mapping().unwrap().values());
    for setting in settings {
        for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            let limit = &setting[limit];
            let parameter = limit.as_str().map(|name| &template["Parameters"][name]["Default"]);
            assert!(parameter.unwrap_or(limit).as_u64().is_some_and(|limit| limit > 0), "{setting:?}");
        }
    }
}

#[test]
fn net_03_no_firewall_is_claimed_where_an_http_api_takes_none() {
    let template = template();
    assert_eq!(resources(&template, "AWS::Serverless::HttpApi").len(), 1);
    assert!(resources(&template, "AWS::WAFv2::WebACLAssociation").is_empty());
}

#[test]
fn net_04_functions_have_a_bound_and_no_url_of_their_own() {
    let template = template();
    let reserved = &template["Globals"]["Function"]["ReservedConcurrentExecutions"];
    assert_eq!(reserved[0], "ReservesConcurrency");
    assert_eq!(reserved[1], "ReservedConcurrency");
    assert!(template["Parameters"]["ReservedConcurrency"]["Default"].as_u64().unwrap() > 0);
    for name in FUNCTIONS {
        assert!(function(&template, name).get("FunctionUrlConfig").is_none(), "{name}");
    }
    assert!(resources(&template, "AWS::Lambda::Url").is_empty());
    assert!(resources(&template, "AWS::Lambda::Permission").is_empty());
}

#[test]
fn net_11_mutual_tls_is_a_parameter_of_the_domain() {
    let template = template();
    let authentication = &properties(&template, "Domain")["MutualTlsAuthentication"];
    assert_eq!(authentication[0], "HasTruststore");
    assert_eq!(authentication[1]["TruststoreUri"], "TruststoreUri");
    assert_eq!(template["Parameters"]["TruststoreUri"]["Default"], "");
    // Without a domain it would be ignored, and the default endpoint would let anybody in.
    let rule = &template["Rules"]["TruststoreNeedsADomain"];
    assert!(format!("{:?}", rule["RuleCondition"]).contains("TruststoreUri"));
    assert!(format!("{:?}", rule["Assertions"]).contains("DomainName"));
}

/// `cargo lambda deploy --binary-name verify STACK-verify` finds the function that `CloudFormation` made.
#[test]
fn a_functions_name_is_the_stacks_and_its_binarys() {
    let template = template();
    for name in FUNCTIONS {
        let function = function(&template, name);
        assert_eq!(function["FunctionName"], format!("${{AWS::StackName}}-{name}"));
        assert_eq!(function["CodeUri"], format!("functions/{name}"));
    }
}
