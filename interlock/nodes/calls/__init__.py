"""Model calls: one gate that each passes, and the guards of budgets, breakers and rates."""
