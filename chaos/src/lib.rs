//! Simulation, drills and the load tool.
