"""What a run's nodes share: its state, team, place, slots, account, questions and facts."""
