\set s random(1, :sites)
\set p random(1, :people)
\set n random(1, 1000000000000000)
select bench.claim(:s, :p, 'f' || :n || '@bench.example', false);
