\set s random(1, :sites)
\set p random(1, :people)
select bench.share(:s, :p);
