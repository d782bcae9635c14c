\set p random(1, :people)
\set n random(1, 1000000000000000)
select bench.claim(1, :p, 'f' || :n || '@bench.example', true);
