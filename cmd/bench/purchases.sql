select bench.purchases(500, :sites, :people, :visits);
