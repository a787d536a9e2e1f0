"""Programs for what is asked often: answers are parsed straight into typed objects, which become the response.

`program` is the door. What a typed program can't do, or an answer doesn't fit, is left to the compiled code of the same
plan, which asks nothing again.
"""
