"""The study: methods on pairs with a known answer, judged by measures that no method optimises."""
