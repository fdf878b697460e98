"""The wire: every request and answer, typed once, used by the service and by each client."""
