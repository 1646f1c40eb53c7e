"""python3 -m unittest discover packaging"""
import copy
import unittest

from managed_instances import managed

TEMPLATE = {
    "Parameters": {"AppOrigin": {"Type": "String"}, "ProvisionedConcurrency": {"Type": "Number"}},
    "Conditions": {"Provisions": {"Fn::Equals": [1, 2]}, "Protects": {"Fn::Equals": [1, 1]}},
    "Resources": {
        "Hot": {"Type": "AWS::Serverless::Function", "Properties": {"ProvisionedConcurrencyConfig": {}, "Timeout": 10}},
        "Cold": {"Type": "AWS::Serverless::Function", "Properties": {"MemorySize": 128}},
        "Topic": {"Type": "AWS::SNS::Topic"},
    },
}


class ManagedInstances(unittest.TestCase):
    def test_only_functions_that_people_wait_for_move(self):
        before = copy.deepcopy(TEMPLATE)
        moved = managed(TEMPLATE)
        hot = moved["Resources"]["Hot"]["Properties"]
        self.assertEqual((hot["MemorySize"], hot["Timeout"]), (2048, 10))
        self.assertEqual(hot["CapacityProviderConfig"]["Arn"], {"Ref": "CapacityProvider"})
        self.assertNotIn("ProvisionedConcurrencyConfig", hot)
        for name in ["Cold", "Topic"]:
            self.assertEqual(moved["Resources"][name], TEMPLATE["Resources"][name])
        self.assertEqual(set(moved["Parameters"]), {"AppOrigin", "CapacityProvider", "EnvironmentConcurrency"})
        self.assertEqual(set(moved["Conditions"]), {"Protects"})
        self.assertEqual(TEMPLATE, before)

    def test_twice_is_a_mistake(self):
        with self.assertRaises(SystemExit):
            managed(managed(TEMPLATE))
