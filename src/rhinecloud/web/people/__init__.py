"""The pages of people: signing in, registering, one's own account, links and invitations, people and organisations."""
