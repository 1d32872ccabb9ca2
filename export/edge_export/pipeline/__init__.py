"""From a program to verified files: plan, build, compare with torch, certify, and only then put in place."""
