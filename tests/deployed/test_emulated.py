"""python3 -m unittest discover tests/deployed"""
import unittest

from emulated import emulated
from suite import Outcome


def template(**resources):
    return {"Globals": {"Function": {"DeploymentPreference": {}}}, "Resources": resources}


def http_api(**auth):
    return {"Type": "AWS::Serverless::HttpApi", "Properties": {"Auth": auth} if auth else {}}


def function(**events):
    events = {
        name: {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, **event}} for name, event in events.items()
    }
    return {"Type": "AWS::Serverless::Function", "Properties": {"Events": events}}


def changed(template):
    return emulated(template, lambda api: f"http://emulator/{api}")


CALLER = {"IdentitySource": "header", "JwtConfiguration": {"issuer": "i", "audience": ["a"]}}


class Routes(unittest.TestCase):
    def routes(self, api, **events):
        resources = changed(template(Api=api, Hello=function(**events)))["Resources"]
        routes = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::ApiGatewayV2::Route"]
        return resources, {route["RouteKey"]: route.get("AuthorizerId") for route in routes}

    def test_a_route_has_the_default_authorizer_unless_its_event_has_none(self):
        api = http_api(DefaultAuthorizer="Caller", Authorizers={"Caller": CALLER})
        get, opened = {"Method": "GET", "Path": "/a"}, {"Method": "PUT", "Path": "/b", "Auth": {"Authorizer": "NONE"}}
        resources, routes = self.routes(api, Get=get, Put=opened)
        self.assertEqual(routes, {"GET /a": {"Ref": "ApiCallerAuthorizer"}, "PUT /b": None})
        configuration = resources["ApiCallerAuthorizer"]["Properties"]["JwtConfiguration"]
        self.assertEqual(configuration, {"Issuer": "i", "Audience": ["a"]})

    def test_an_event_without_a_path_takes_what_no_other_does(self):
        _, routes = self.routes(http_api(), Rest={})
        self.assertEqual(routes, {"$default": None})


class Differences(unittest.TestCase):
    def test_what_the_emulator_lacks_is_left_out_and_the_rest_is_as_it_was(self):
        over_tls = {"Sid": "OnlyOverTls"}
        policy = lambda *statements: {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"PolicyDocument": {"Statement": list(statements)}},
        }
        alarm = lambda **properties: {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
        written = template(
            Tls=policy(over_tls), Other=policy(over_tls, {"Sid": "Other"}), Sum=alarm(Metrics=[]), One=alarm(Period=60)
        )
        resources = changed(written)["Resources"]
        self.assertEqual(resources, {"Other": policy({"Sid": "Other"}), "One": alarm(Period=60)})

    def test_an_api_is_named_by_where_it_answers(self):
        written = {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/a"}
        resources = changed(template(Any={"Type": "Any", "Properties": {"Url": [written]}}))["Resources"]
        self.assertEqual(resources["Any"]["Properties"], {"Url": [{"Fn::Sub": "http://emulator/${Api}/a"}]})

    def statement(self, **written):
        role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {"Statement": [written]}}]}}
        changed(template(Role=role))
        return written

    def test_who_may_send_may_send_batches(self):
        statement = self.statement(Action="sqs:SendMessage", Resource="queue")
        self.assertEqual(statement, {"Action": ["sqs:SendMessage", "sqs:SendMessageBatch"], "Resource": "queue"})

    def test_who_may_send_e_mail_may_send_any(self):
        statement = self.statement(Action="ses:SendRawEmail", Resource="identity", Condition={})
        self.assertEqual(statement, {"Action": ["ses:SendRawEmail"], "Resource": "*"})


class Outcomes(unittest.TestCase):
    def outcome(self, code, *lines, refusals=()):
        outcome = Outcome()
        for line in lines:
            outcome.take(line)
        outcome.code, outcome.refusals = code, list(refusals)
        return outcome

    def test_what_was_skipped_did_not_pass(self):
        outcome = self.outcome(0, "running 2 tests", "test a::b ... ok", "test a::c ... ok", "skipped a::b: no clock")
        self.assertTrue(outcome.table().endswith("1 passed, 0 failed, 1 skipped"), outcome.table())
        self.assertIn("skipped: no clock\n    a::b\n", outcome.table())
        self.assertTrue(outcome.holds())

    def test_a_run_holds_if_all_ended_some_passed_none_failed_and_nothing_was_refused(self):
        passed, failed = "test a::b ... ok", "test a::c ... FAILED"
        self.assertTrue(self.outcome(0, "running 1 test", passed).holds())
        for wrong in [
            self.outcome(0, "running 1 test", passed, "skipped a::b: no clock"),
            self.outcome(101, "running 2 tests", passed, failed),
            self.outcome(0, "running 2 tests", passed),
            self.outcome(0, "running 1 test", passed, refusals=["AccessDenied"]),
        ]:
            self.assertFalse(wrong.holds(), wrong.lines)


if __name__ == "__main__":
    unittest.main()
